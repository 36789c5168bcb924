import hashlib

import pytest
import torch

from hf_lstm import LstmConfig
from hf_lstm.inference.stream_state import FORMAT, StopRule, StreamState, check_stop_rule, stored_stop_rule

STATE = StreamState(
    fingerprint="abc",
    memory={"h": torch.randn(2, 5), "total": torch.randn(5, dtype=torch.float64), "count": torch.tensor([7])},
    num_tokens=7,
    undecoded=b"\xc3",
    held="a \ud83d",
    position=7,
    streak=2,
    stopped_at=5,
)


def test_bytes_restore_the_state():
    restored = StreamState.from_bytes(STATE.to_bytes())
    assert restored.memory.keys() == STATE.memory.keys()
    for name, tensor in STATE.memory.items():
        assert restored.memory[name].dtype == tensor.dtype and torch.equal(restored.memory[name], tensor)
    for field in ("fingerprint", "num_tokens", "undecoded", "held", "position", "streak", "stopped_at"):
        assert getattr(restored, field) == getattr(STATE, field)


def test_other_formats_raise():
    data = STATE.to_bytes()
    for other in (b"", b"text", data.replace(FORMAT, b"hf_lstm state 1", 1)):
        with pytest.raises(ValueError, match="not a stream state"):
            StreamState.from_bytes(other)


def test_damaged_bytes_raise():
    data = STATE.to_bytes()
    for damaged in (data[:-1], data[:60], data.replace(b'"position": 7', b'"position": 8'), data[:-1] + b"\xff"):
        with pytest.raises(ValueError, match="damaged"):
            StreamState.from_bytes(damaged)


def test_invalid_contents_raise():
    truncated = STATE.to_bytes().partition(b"\n")[2].partition(b"\n")[2][:-1]
    for payload in (b"{}\n", b"no json\n", truncated):
        forged = FORMAT + b"\n" + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload
        with pytest.raises(ValueError, match="invalid contents"):
            StreamState.from_bytes(forged)


@pytest.mark.parametrize(
    ("rule", "problem_type", "message"),
    [
        (StopRule("bad", 0.5, 1), "single_label_classification", "no label 'bad'; the model has 'LABEL_0', 'LABEL_1'"),
        (StopRule("LABEL_0", 90, 1), "single_label_classification", "above 0 and at most 1, got 90"),
        (StopRule("LABEL_0", 0.5, 0), "multi_label_classification", "at least 1, got 0"),
        (StopRule("LABEL_0", 0.5, 2.5), "multi_label_classification", "a whole number of at least 1, got 2.5"),
        (StopRule("LABEL_0", 0.5, 1), "regression", "regression does not have"),
    ],
)
def test_invalid_stop_rule_raises(rule, problem_type, message):
    with pytest.raises(ValueError, match=message):
        check_stop_rule(rule, LstmConfig(problem_type=problem_type))


def test_valid_stop_rule_is_accepted():
    check_stop_rule(StopRule("LABEL_1", 1.0, 3), LstmConfig(problem_type="single_label_classification"))


def test_stored_stop_rule_is_that_of_the_config():
    assert stored_stop_rule(LstmConfig()) is None
    fields = {"label": "LABEL_1", "probability": 0.75, "for_tokens": 4}
    config = LstmConfig(bidirectional=False, problem_type="multi_label_classification", stop_rule=fields)
    assert stored_stop_rule(config) == StopRule("LABEL_1", 0.75, 4)
