import json
import math

import pytest
import torch
import transformers
from helpers import CELL_TYPES
from transformers import AutoModel, AutoModelForSequenceClassification

from hf_lstm import LstmConfig, LstmForSequenceClassification, LstmModel
from hf_lstm.models.modeling_lstm import LstmModelOutput


def test_state_is_an_attribute_and_not_an_item():
    state, hidden = torch.zeros(1, 2, 3), torch.zeros(2, 4, 3)
    output = LstmModelOutput(last_hidden_state=hidden).with_state(state)
    assert output.state is state and list(output) == ["last_hidden_state"] and output.to_tuple() == (hidden,)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_initialisation(cell_type):
    config = LstmConfig(vocab_size=200, embedding_size=12, hidden_size=8, cell_type=cell_type, pad_token_id=3)
    model = LstmForSequenceClassification(config)
    assert (model.model.embed_tokens.weight[3] == 0).all()
    assert math.isclose(model.model.embed_tokens.weight.std().item(), config.initializer_range, rel_tol=0.1)
    for rnn in model.model.layers[0].directions:
        for gate in rnn.weight_hh_l0.split(8):
            torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
        bias = (rnn.bias_ih_l0 + rnn.bias_hh_l0).split(8)
        assert [set(part.tolist()) for part in bias] == (
            [{0.0}, {1.0}, {0.0}, {0.0}] if cell_type == "lstm" else [{0.0}] * len(bias)
        )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_new_model_in_half_precision(tiny_config, dtype):
    model = AutoModelForSequenceClassification.from_config(tiny_config(), dtype=dtype)
    gate = model.model.layers[0].directions[0].weight_hh_l0[:5].float()
    torch.testing.assert_close(gate @ gate.T, torch.eye(5), atol=2e-2, rtol=0)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_saved_and_loaded_model_gives_the_same(tiny_config, tmp_path, cell_type):
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type, num_hidden_layers=2)).eval()
    with torch.no_grad():
        for rnn in model.model.layers[0].directions:
            rnn.bias_ih_l0.fill_(0.25)  # must not be overwritten by the initialisation of the forget gate
    model.save_pretrained(tmp_path)
    ids = torch.randint(0, 40, (2, 7))
    for auto_class in (AutoModelForSequenceClassification, LstmForSequenceClassification):
        loaded = auto_class.from_pretrained(tmp_path)
        assert isinstance(loaded, LstmForSequenceClassification)
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits)
    backbone = AutoModel.from_pretrained(tmp_path)
    torch.testing.assert_close(backbone(ids).last_hidden_state, model.model(ids).last_hidden_state)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_backbone_loads_into_a_classifier_with_a_new_head(tiny_config, tmp_path, cell_type):
    backbone = LstmModel(tiny_config(cell_type=cell_type))
    backbone.save_pretrained(tmp_path)
    classifier, loading = LstmForSequenceClassification.from_pretrained(
        tmp_path, num_labels=4, output_loading_info=True
    )
    assert set(loading["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    assert 0 < classifier.classifier.weight.std() < 0.3
    for name, value in backbone.state_dict().items():
        assert torch.equal(classifier.model.state_dict()[name], value)


def test_saved_model_has_its_code_and_names_all_classes(tiny_config, tmp_path):
    LstmModel(tiny_config()).save_pretrained(tmp_path)
    code = ("base", "cells", "configuration", "loss", "modeling", "pooling", "reading", "recurrence")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"config.json", "model.safetensors"} | {f"{name}_lstm.py" for name in code}
    auto_map = json.loads((tmp_path / "config.json").read_text())["auto_map"]
    for auto_class, reference in auto_map.items():
        module, _, name = reference.partition(".")
        assert hasattr(transformers, auto_class) and f"class {name}(" in (tmp_path / f"{module}.py").read_text()
    assert len(auto_map) == 3
