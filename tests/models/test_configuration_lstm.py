import pytest
from huggingface_hub.errors import StrictDataclassError

from hf_lstm import LstmConfig

RULE = {"label": "LABEL_1", "probability": 0.9, "for_tokens": 5}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("pooling", "maxx", "`pooling` must be one of 'last', 'max', 'mean', 'concat', got 'maxx'"),
        ("cell_type", "LSTM", "`cell_type` must be one of 'lstm', 'gru', 'rnn', got 'LSTM'"),
        ("cell_type", 1, "expected str, got int"),
        ("hidden_size", 0, "`hidden_size` must be at least 1, got 0"),
        ("num_hidden_layers", -1, "`num_hidden_layers` must be at least 1"),
        ("embedding_size", "wide", "expected int, got str"),
        ("bidirectional", "yes", "expected bool, got str"),
        ("weight_dropout", 1.0, r"`weight_dropout` must be in \[0, 1\)"),
        ("label_smoothing", -0.1, r"`label_smoothing` must be in \[0, 1\)"),
        ("threshold", 1.5, r"`threshold` must be in \[0, 1\], got 1.5"),
        ("threshold", [0.5, 1.01], r"`threshold` must be in \[0, 1\], got \[0.5, 1.01\]"),
        ("threshold", [0.5, 0.4, 0.3], "one number, or one for each of 2 labels, got 3"),
        ("pad_token_id", 30_000, "`pad_token_id` must be at least 0 and below"),
        ("class_weights", [1.0, 2.0, 3.0], "one weight for each of 2 labels, got 3"),
        ("class_weights", [1.0, 0.0], "must be positive"),
        ("reverse", 1, "expected bool, got int"),
        ("reverse", True, "`reverse` requires a single direction: set `bidirectional` to false"),
        ("sampled_tokens", -1, r"`sampled_tokens` must be at least 0 and below `vocab_size` \(30000\), got -1"),
        ("sampled_tokens", 30_000, "`sampled_tokens` must be at least 0 and below"),
        ("stop_rule", {"label": "LABEL_0"}, "`stop_rule` must have `label`, `probability` and `for_tokens`, got label"),
        ("stop_rule", "LABEL_0", "stop_rule"),
        ("stop_rule", RULE | {"label": "a"}, "label of `stop_rule` must be one of LABEL_0, LABEL_1, got 'a'"),
        ("stop_rule", RULE | {"probability": 1.1}, "probability of `stop_rule` must be above 0 and at most 1, got 1.1"),
        ("stop_rule", RULE | {"probability": "1"}, "probability of `stop_rule` must be above 0 and at most 1, got '1'"),
        ("stop_rule", RULE | {"for_tokens": 0}, "`for_tokens` of `stop_rule` must be a whole number of at least 1"),
        ("stop_rule", RULE | {"for_tokens": 1.5}, "`for_tokens` of `stop_rule` must be a whole number of at least 1"),
        ("stop_rule", RULE, "`stop_rule` requires a classifier that reads forward"),
    ],
)
def test_error_names_the_field_and_the_accepted_values(field, value, expected):
    with pytest.raises(StrictDataclassError, match=expected):
        LstmConfig(**{field: value})


def test_class_weights_in_a_regression():
    with pytest.raises(StrictDataclassError, match="cannot be used in a regression"):
        LstmConfig(class_weights=[1.0], num_labels=1, problem_type="regression")


def test_round_trip_through_json(tmp_path):
    config = LstmConfig(
        cell_type="gru", bidirectional=False, class_weights=(1, 2.5, 3), num_labels=3, weight_dropout=0.5, threshold=0.3
    )
    config.reverse, config.sampled_tokens = True, 7
    config.save_pretrained(tmp_path)
    loaded = LstmConfig.from_pretrained(tmp_path)
    assert (loaded.reverse, loaded.sampled_tokens, loaded.reads_forward) == (True, 7, False)
    assert list(loaded.class_weights) == [1, 2.5, 3]
    assert (loaded.cell_type, loaded.bidirectional, loaded.num_labels) == ("gru", False, 3)
    assert (loaded.weight_dropout, loaded.threshold) == (0.5, 0.3)


def test_new_labels_reset_per_label_fields(tmp_path):
    fields = {"threshold": [0.2, 0.3, 0.4], "class_weights": [1, 2, 3], "stop_rule": RULE}
    LstmConfig(num_labels=3, bidirectional=False, **fields).save_pretrained(tmp_path)
    kept = LstmConfig.from_pretrained(tmp_path, input_dropout=0.1)
    assert (list(kept.threshold), kept.stop_rule) == ([0.2, 0.3, 0.4], RULE)
    for labels in ({"num_labels": 5}, {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}}):
        loaded = LstmConfig.from_pretrained(tmp_path, **labels)
        assert (loaded.threshold, loaded.class_weights, loaded.stop_rule) == (0.5, None, None)
        loaded.save_pretrained(tmp_path / "other")
    assert LstmConfig.from_pretrained(tmp_path, num_labels=2, threshold=[0.1, 0.2]).threshold == [0.1, 0.2]


def test_invalid_value_raises_when_saved(tmp_path):
    config = LstmConfig()
    with pytest.raises(StrictDataclassError, match="pooling"):
        config.pooling = "maxx"
        config.save_pretrained(tmp_path)


def test_num_directions():
    assert LstmConfig(bidirectional=True).num_directions == 2
    assert LstmConfig(bidirectional=False).num_directions == 1


def test_only_a_single_forward_direction_reads_forward():
    ways = {(True, False): False, (False, True): False, (False, False): True}
    for (bidirectional, reverse), forward in ways.items():
        assert LstmConfig(bidirectional=bidirectional, reverse=reverse).reads_forward is forward


def test_stop_rule_in_a_regression():
    with pytest.raises(StrictDataclassError, match="requires a classifier that reads forward"):
        LstmConfig(bidirectional=False, num_labels=2, problem_type="regression", stop_rule=RULE)
