import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from hf_lstm import LstmModel
from hf_lstm.knowledge.static_models import load_static_model
from hf_lstm.text import build_given_tokenizer

TABLE = torch.tensor([[0.0, 1], [2, 3], [4, -5]])


def write(folder, tensors, tokens=3):
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    vocabulary = {f"t{i}": i for i in range(tokens)}
    Tokenizer(models.WordLevel(vocabulary, unk_token="t0")).save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int8])
def test_vectors_of_each_type_and_their_mean(tmp_path, dtype):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    model = load_static_model(write(tmp_path, {"embeddings": TABLE.to(dtype)}))
    embedded = model.embed([[1], [1, 2], [], [0, 0]])
    np.testing.assert_allclose(embedded, [[2, 3], [3, -1], [0, 0], [0, 1]])
    assert embedded.dtype == np.float32


def test_mapping_and_weights(tmp_path):
    mapping, weights = torch.tensor([2, 2, 0, 1]), torch.tensor([1.0, 0.5, 1, 2], dtype=torch.float64)
    model = load_static_model(write(tmp_path, {"embeddings": TABLE, "mapping": mapping, "weights": weights}, tokens=4))
    # embeddings[mapping[token]] * weights[token], as in model2vec
    np.testing.assert_allclose(model.embed([[0], [1], [2], [3]]), [[4, -5], [2, -2.5], [0, 1], [4, 6]])


def test_sentence_transformers_use_another_name_and_a_subfolder(tmp_path):
    write(tmp_path / "0_StaticEmbedding", {"embedding.weight": TABLE})
    save_file({"linear.weight": TABLE}, tmp_path / "model.safetensors")
    assert load_static_model(tmp_path) is None  # other subfolders are other models
    (tmp_path / "modules.json").write_text("[]")
    np.testing.assert_allclose(load_static_model(tmp_path).embed([[2]]), [[4, -5]])


def test_embeddings_of_a_model_of_this_package(tmp_path, tiny_config):
    tokenizer = build_given_tokenizer(["good", "bad"], "word")
    model = LstmModel(tiny_config(vocab_size=len(tokenizer)))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    np.testing.assert_allclose(load_static_model(tmp_path).embed([[5]])[0], model.embed_tokens.weight[5].detach())


def test_other_models_are_not_static(tmp_path):
    assert load_static_model(tmp_path) is None
    # Many encoders and language models have such a table, which is only their first layer.
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert load_static_model(write(tmp_path, {"model.embed_tokens.weight": TABLE})) is None


def test_damaged_models_are_named(tmp_path):
    write(tmp_path / "few", {"embeddings": TABLE}, tokens=4)
    with pytest.raises(ValueError, match="has 4 tokens, but there are only 3 vectors"):
        load_static_model(tmp_path / "few")
    write(tmp_path / "damaged", {"embeddings": TABLE})
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="damaged is damaged"):
        load_static_model(tmp_path / "damaged")
