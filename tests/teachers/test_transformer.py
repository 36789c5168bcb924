import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from hf_lstm.inference import load_any_config
from hf_lstm.teachers import transformer
from hf_lstm.teachers.teacher_kinds import find_teacher
from hf_lstm.teachers.transformer import load_any_classifier, max_tokens, predict_windows, problem_type_of

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
WORDS = [f"w{i}" for i in range(30)]
SIZES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
SIZES |= {"vocab_size": len(SPECIAL) + len(WORDS), "initializer_range": 1.0, "pad_token_id": 1}


def make_tokenizer(max_length: int | None = None) -> PreTrainedTokenizerFast:
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 0), ("</s>", 2)])
    options = {} if max_length is None else {"model_max_length": max_length}
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, **options)


def save_classifier(folder, kind="bert", names=("bad", "good"), **fields):
    """Save a random classifier of transformers in single precision."""
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    torch.manual_seed(0)
    if kind == "bert":
        config = BertConfig(**SIZES, **labels, **{"max_position_embeddings": 12} | fields)
        model = BertForSequenceClassification(config)
    else:
        # RoBERTa has two more position embeddings than tokens that it can read.
        config = RobertaConfig(**SIZES, **labels, **{"max_position_embeddings": 14, "type_vocab_size": 1} | fields)
        model = RobertaForSequenceClassification(config)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return model.eval()


def texts_of(lengths) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, length)) for length in lengths]


def alone(model, ids) -> np.ndarray:
    """The probabilities of one row of token ids, by plain transformers."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].softmax(0).numpy()


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    monkeypatch.setattr(transformer, "fast_dtype", lambda device: torch.float32)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_probabilities_are_those_of_plain_transformers_for_each_text(tmp_path, kind):
    save_classifier(tmp_path, kind)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    texts = texts_of([3, 10, 1, 7, 10, 2])  # 10 words and two special tokens are the maximum length
    expected = [alone(model, tokenizer(text)["input_ids"]) for text in texts]
    loaded = load_any_classifier(str(tmp_path), model.config)
    assert max_tokens(*loaded) == 12
    np.testing.assert_allclose(predict_windows(*loaded, texts), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_long_text_is_the_mean_of_its_windows_weighted_by_their_tokens(tmp_path, kind):
    model = save_classifier(tmp_path, kind)
    (long, short) = texts_of([22, 4])
    words = [SPECIAL.index("<s>"), SPECIAL.index("</s>"), *(len(SPECIAL) + WORDS.index(w) for w in long.split())]
    first, last, ids = words[0], words[1], words[2:]
    # Windows of 10 words overlap by a quarter of them, 2.
    windows = [[first, *ids[start : start + 10], last] for start in (0, 8, 16)]
    assert len(windows[2]) == 8
    expected = np.average([alone(model, window) for window in windows], axis=0, weights=[12, 12, 8])
    predicted = predict_windows(*load_any_classifier(str(tmp_path), model.config), [short, long])
    np.testing.assert_allclose(predicted[1], expected, atol=1e-5)
    assert np.abs(expected - alone(model, windows[0])).max() > 1e-3


def test_the_blocks_do_not_change_the_predictions(tmp_path, monkeypatch):
    loaded = load_any_classifier(str(tmp_path), save_classifier(tmp_path).config)
    texts = texts_of([3, 30, 1, 7, 15, 2])
    whole = predict_windows(*loaded, texts)
    monkeypatch.setattr(transformer, "BLOCK_TEXTS", 2)
    np.testing.assert_allclose(predict_windows(*loaded, texts), whole, atol=1e-5)


def test_the_lower_limit_of_model_and_tokenizer_counts(tmp_path):
    model = save_classifier(tmp_path)
    assert max_tokens(model, make_tokenizer(8)) == 8 and max_tokens(model, make_tokenizer(99)) == 12
    model.config = SimpleNamespace(get_text_config=SimpleNamespace)  # as of T5, which has no position embeddings
    assert max_tokens(model, make_tokenizer()) == 512 and max_tokens(model, make_tokenizer(9)) == 9


def test_a_missing_padding_token_is_only_replaced_for_the_predictions(tmp_path):
    model, tokenizer = load_any_classifier(str(tmp_path), save_classifier(tmp_path).config)
    texts = texts_of([3, 8])
    expected = predict_windows(model, tokenizer, texts)
    tokenizer.pad_token, tokenizer.eos_token, model.config.pad_token_id = None, "</s>", None
    np.testing.assert_allclose(predict_windows(model, tokenizer, texts), expected, atol=1e-5)
    assert tokenizer.pad_token is None and model.config.pad_token_id is None


def test_problem_type_of_a_config_without_one():
    for num_labels, stated, expected in (
        (2, None, "single_label_classification"),
        (1, None, "regression"),
        (2, "multi_label_classification", "multi_label_classification"),
    ):
        assert problem_type_of(SimpleNamespace(problem_type=stated, num_labels=num_labels)) == expected


def test_multi_label_probabilities_are_sigmoids(tmp_path):
    model = save_classifier(tmp_path, problem_type="multi_label_classification")
    loaded = load_any_classifier(str(tmp_path), model.config)
    (text,) = texts_of([5])
    with torch.no_grad():
        expected = model(**make_tokenizer()(text, return_tensors="pt")).logits.sigmoid().numpy()
    np.testing.assert_allclose(predict_windows(*loaded, [text]), expected, atol=1e-5)


def test_a_model_without_a_trained_head_is_refused(tmp_path):
    BertModel(BertConfig(**SIZES)).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=f"is not a trained text classifier: it lacks classifier.bias.*`encoder:{tmp_path}`"
    ) as error:
        load_any_classifier(str(tmp_path), load_any_config(tmp_path))
    assert "\n" not in str(error.value)


def test_remote_code_needs_the_flag(tmp_path):
    save_classifier(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text()) | {"model_type": "unheard_of"}
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}
    file.write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemError('the code was run')\n")
    with pytest.raises(ValueError, match="is not run by default.*`--trust_remote_code`") as error:
        find_teacher(str(tmp_path)).label_names()
    assert "\n" not in str(error.value)
    with pytest.raises(SystemError, match="the code was run"):
        find_teacher(str(tmp_path), trust_remote_code=True).label_names()


def test_another_kind_of_model_is_refused_in_one_line(tmp_path):
    save_classifier(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_type": "clip"}))
    with pytest.raises(ValueError, match="cannot be loaded as a text classifier") as error:
        load_any_classifier(str(tmp_path), load_any_config(tmp_path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_an_error_without_a_message_is_named(tmp_path, monkeypatch):
    config = save_classifier(tmp_path).config

    def fail(*arguments, **options):
        raise RuntimeError

    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", fail)
    with pytest.raises(ValueError, match=r"cannot be loaded as a text classifier \(RuntimeError\)"):
        load_any_classifier(str(tmp_path), config)
