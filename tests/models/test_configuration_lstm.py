import pytest
from huggingface_hub.errors import StrictDataclassError

from hf_lstm import LstmConfig


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("pooling", "maxx", "'last', 'max', 'mean', 'concat'"),
        ("cell_type", "LSTM", "'lstm', 'gru', 'rnn'"),
        ("hidden_size", 0, "`hidden_size` must be at least 1, got 0"),
        ("num_hidden_layers", -1, "`num_hidden_layers` must be at least 1"),
        ("embedding_size", "wide", "expected int, got str"),
        ("bidirectional", "yes", "expected bool, got str"),
        ("weight_dropout", 1.0, r"`weight_dropout` must be in \[0, 1\)"),
        ("label_smoothing", -0.1, r"`label_smoothing` must be in \[0, 1\)"),
        ("threshold", 1.5, r"`threshold` must be in \[0, 1\)"),
        ("threshold", [0.5, 1.0], r"`threshold` must be in \[0, 1\)"),
        ("threshold", [0.5, 0.4, 0.3], "one number, or one for each of 2 labels, got 3"),
        ("pad_token_id", 30_000, "`pad_token_id` must be below `vocab_size`"),
        ("class_weights", [1.0, 2.0, 3.0], "one weight for each of 2 labels, got 3"),
        ("class_weights", [1.0, 0.0], "must be positive"),
        ("reverse", 1, "expected bool, got int"),
        ("reverse", True, "`reverse` is for one direction: set `bidirectional` to false"),
        ("sampled_tokens", -1, r"`sampled_tokens` must be below `vocab_size` \(30000\), got -1"),
        ("sampled_tokens", 30_000, "`sampled_tokens` must be below `vocab_size`"),
    ],
)
def test_wrong_value_names_field_and_what_it_accepts(field, value, expected):
    with pytest.raises(StrictDataclassError, match=expected):
        LstmConfig(**{field: value})


def test_class_weights_in_a_regression():
    with pytest.raises(StrictDataclassError, match="no meaning in a regression"):
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


def test_what_was_chosen_for_each_label_is_not_kept_for_other_labels(tmp_path):
    LstmConfig(num_labels=3, threshold=[0.2, 0.3, 0.4], class_weights=[1, 2, 3]).save_pretrained(tmp_path)
    assert list(LstmConfig.from_pretrained(tmp_path, input_dropout=0.1).threshold) == [0.2, 0.3, 0.4]
    for labels in ({"num_labels": 5}, {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}}):
        loaded = LstmConfig.from_pretrained(tmp_path, **labels)
        assert (loaded.threshold, loaded.class_weights) == (0.5, None)
        loaded.save_pretrained(tmp_path / "other")
    assert LstmConfig.from_pretrained(tmp_path, num_labels=2, threshold=[0.1, 0.2]).threshold == [0.1, 0.2]


def test_wrong_value_is_refused_when_saved(tmp_path):
    config = LstmConfig()
    with pytest.raises(StrictDataclassError, match="pooling"):
        config.pooling = "maxx"
        config.save_pretrained(tmp_path)


def test_num_directions():
    assert LstmConfig(bidirectional=True).num_directions == 2
    assert LstmConfig(bidirectional=False).num_directions == 1


def test_only_one_direction_from_the_beginning_reads_forward():
    ways = {(True, False): False, (False, True): False, (False, False): True}
    for (bidirectional, reverse), forward in ways.items():
        assert LstmConfig(bidirectional=bidirectional, reverse=reverse).reads_forward is forward
