import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from hf_lstm import LstmForCausalLM
from hf_lstm.language_model import read_probabilities_by_row
from hf_lstm.language_model.results import accuracy_of_split, save_half, save_probabilities, save_report

STRINGS = [f"the film was {opinion}" for opinion in ("good", "bad", "long", "new", "old", "thin", "fine", "dull")]


def test_large_model_is_saved_in_small_files_that_load(make_model, packed_corpus, tmp_path):
    tokenizer = packed_corpus(STRINGS).tokenizer()
    model = make_model(vocab_size=30_000, embedding_size=200, hidden_size=900, tie_word_embeddings=True)
    largest = save_half(model, tokenizer, tmp_path)
    names = [path.name for path in tmp_path.glob("*.safetensors")]
    assert len(names) > 1 and largest <= 15_000_000
    assert largest == max(path.stat().st_size for path in tmp_path.iterdir())
    with safe_open(tmp_path / names[0], framework="pt") as weights:
        assert {weights.get_tensor(key).dtype for key in weights.keys()} == {torch.float16}  # noqa: SIM118
    for kind in (LstmForCausalLM, AutoModelForCausalLM):
        loaded = kind.from_pretrained(tmp_path, dtype=torch.float32)
        assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
        for name, weight in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], weight.half().float()), name


def test_probabilities_are_at_the_rows_of_the_original_splits(packed_corpus, tmp_path):
    splits = [0, 1, 0, 2, 3, 3, 2, 0]
    corpus = packed_corpus(STRINGS, splits)  # rows of train: 0 1 2 . . . . 3
    corpus.rows[7] = 4  # row 3 is not in the packed corpus
    probabilities = np.linspace(0, 1, 16).reshape(8, 2)
    save_probabilities(probabilities, corpus, tmp_path)
    tables, names = read_probabilities_by_row(tmp_path / "probabilities.npz")
    assert names == ("neg", "pos") and set(tables) == {"train", "unsupervised", "test"}
    assert {table.dtype for table in tables.values()} == {np.dtype(np.float16)}
    expected = probabilities.astype(np.float16)
    np.testing.assert_array_equal(tables["train"][[0, 1, 2, 4]], expected[[0, 1, 2, 7]])
    assert np.isnan(tables["train"][3]).all() and len(tables["train"]) == 5
    np.testing.assert_array_equal(tables["unsupervised"], expected[[3, 6]])
    np.testing.assert_array_equal(tables["test"], expected[[4, 5]])


def test_teacher_file_of_a_hundred_thousand_reviews_is_small(tmp_path):
    rows = {"train": 25_000, "unsupervised": 50_000, "test": 25_000}
    positive = np.random.default_rng(0).random(100_000)
    table = np.stack([1 - positive, positive], 1).astype(np.float16)
    arrays = dict(zip(rows, np.split(table, [25_000, 75_000]), strict=True))
    np.savez_compressed(tmp_path / "probabilities.npz", label_names=np.array(["neg", "pos"]), **arrays)
    assert (tmp_path / "probabilities.npz").stat().st_size < 2_000_000


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="no teacher file .*missing.npz"):
        read_probabilities_by_row(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("a text")
    np.savez(tmp_path / "other.npz", train=np.zeros(3))
    for name in ("text.npz", "other.npz"):
        with pytest.raises(ValueError, match=f"{name} is not a file of probabilities"):
            read_probabilities_by_row(tmp_path / name)


def test_accuracy_counts_the_labelled_texts_of_a_split(packed_corpus):
    corpus = packed_corpus(STRINGS, [0, 0, 1, 1, 2, 3, 3, 3], [0, 1, 0, 1, -1, 1, 1, -1])
    probabilities = np.tile([0.4, 0.6], (8, 1))
    assert accuracy_of_split(probabilities, corpus, "validation") == 0.5
    assert accuracy_of_split(probabilities, corpus, "test") == 1.0
    assert accuracy_of_split(probabilities, corpus, "unsupervised") is None


def test_report_is_json(tmp_path):
    save_report({"perplexity": 50.5, "gpu": None}, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == {"perplexity": 50.5, "gpu": None}
