import gc

import pytest

from hf_lstm.benchmark.contestants import default_classifier
from hf_lstm.benchmark.guarding import NEVER, first_tokens, guard_pieces, measure_guarding, percentiles, state_after
from hf_lstm.inference import StreamingClassifier
from hf_lstm.text import train_tokenizer


@pytest.mark.slow
def test_every_cost_is_measured(setting):
    rows = measure_guarding(setting)
    names = [row.name for row in rows]
    assert [name for name in names if name.startswith("one stream")] == [
        "one stream, one word, p50",
        "one stream, one word, p99",
    ]
    assert any("streams, per stream and token" in name for name in names)
    assert [row.ratio for row in rows if "text so far" in row.name] == [1]
    assert len([row for row in rows if row.name.startswith("after ")]) == 4
    assert all(row.value > 0 for row in rows) and gc.get_freeze_count() == 0


@pytest.fixture
def classifier():
    tokenizer = train_tokenizer(["a good film that I loved"] * 3, "word", show_progress=False)
    return StreamingClassifier(
        default_classifier(len(tokenizer), bidirectional=False, problem_type="single_label_classification"),
        tokenizer,
        NEVER,
    )


def test_helpers_read_what_they_say(classifier):
    words = ["a ", "good, ", "film "]  # 1, 2 and 1 tokens
    assert first_tokens(classifier, words, 7) == ["a ", "good, ", "film ", "a ", "good, "]
    assert state_after(classifier, words, 9).num_tokens >= 9
    verdict = guard_pieces(classifier, words).verdict
    assert verdict.num_tokens == 5 and not verdict.stopped  # with [CLS]
    assert percentiles([1.0, 2.0, 3.0]) == {"p50": 2.0, "p99": pytest.approx(2.98)}
