import pytest

from hf_lstm.tuning.arguments import TuningArguments, parse_duration


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("1h30m", 5_400), ("45s", 45), (" 2H ", 7_200)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0s", "10m30", "-1m", "1.5h", "30s1m"])
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="a duration such as 10m, 1h30m or 45s, got"):
        TuningArguments(autotune=text)


def test_limits_require_a_search_and_a_size():
    with pytest.raises(ValueError, match="`--max_megabytes` requires `--autotune`"):
        TuningArguments(max_megabytes=5)
    with pytest.raises(ValueError, match="`max_latency_ms` must be above 0, got -1"):
        TuningArguments(autotune="1m", max_latency_ms=-1)
