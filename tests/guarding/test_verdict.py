from dataclasses import FrozenInstanceError

import pytest

from hf_lstm.guarding.verdict import StoppedByGuard, Verdict


def test_verdict_is_immutable_and_knows_whether_the_text_was_stopped():
    verdict = Verdict("toxic", 0.95, position=12, num_tokens=4, start=6)
    assert verdict.stopped and not Verdict("toxic", 0.1, 30, 9).stopped
    assert Verdict("toxic", 0.95, position=3, num_tokens=2, start=0).stopped
    with pytest.raises(FrozenInstanceError):
        verdict.label = "fine"


def test_error_carries_the_verdict():
    verdict = Verdict("toxic", 0.95, position=1_200, num_tokens=4, start=6)
    error = StoppedByGuard(verdict)
    assert error.verdict is verdict
    assert str(error) == "The text was stopped at character 1,200: toxic has a probability of 0.9500."
