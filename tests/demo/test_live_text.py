import numpy as np
import pytest

from hf_lstm.demo.live_text import STRIDE, Prediction, update_text
from hf_lstm.text.boundaries import MAX_RUN_LENGTH


class Counter:
    """Scores are the numbers of characters and of words so far; it counts the words that it reads."""

    name, labels, is_regression, streams = "counter", ["characters", "words"], True, True

    def __init__(self):
        self.words_read = 0

    def predict(self, texts):
        return [Prediction(None, {"characters": len(text), "words": len(text.split())}) for text in texts]

    def start(self):
        return (0, 0)

    def read(self, state, words):
        self.words_read += len(words)
        rows = [state := (state[0] + len(word), state[1] + 1) for word in words]
        return np.array(rows, dtype=np.float32).reshape(-1, 2), state

    def finish(self, state):
        return Prediction(None, dict(zip(self.labels, state, strict=True)))


def test_scores_are_those_after_each_word():
    live = update_text(Counter(), None, " a film\n\nof joy")
    assert live.words == [" a ", "film\n\n", "of ", "joy"]
    assert live.scores.tolist() == [[0, 0], [3, 1], [9, 2], [12, 3], [15, 4]]
    assert live.prediction.scores == {"characters": 15, "words": 4}


@pytest.mark.parametrize("text", ["", " \n"])
def test_text_without_words_has_the_score_of_the_empty_text(text):
    live = update_text(Counter(), None, text)
    assert live.words == [] and live.scores.tolist() == [[0, 0]]


def test_typing_costs_two_words_at_most():
    counter, live = Counter(), None
    text = "word and other " * 200
    for end in range(1, len(text)):
        before = counter.words_read
        live = update_text(counter, live, text[:end])
        assert counter.words_read - before <= 2  # the word that has ended, and the one that is typed
    assert len(live.states) <= 1 + len(live.words) // STRIDE + 1


def test_a_run_without_white_space_is_divided_where_the_tokenizer_divides_it():
    counter = Counter()
    live = update_text(counter, None, "电" * 1_000)
    assert [len(word) for word in live.words] == [MAX_RUN_LENGTH] * 15 + [1_000 - 15 * MAX_RUN_LENGTH]
    before = counter.words_read
    assert update_text(counter, live, "电" * 1_001).prediction.scores["characters"] == 1_001
    assert counter.words_read - before == 1


def test_any_change_gives_the_scores_of_the_new_text():
    counter, live, rng = Counter(), None, np.random.default_rng(0)
    text = "some words of a long text " * 60
    for _ in range(100):
        start, end = sorted(rng.integers(0, len(text) + 1, 2))
        text = text[:start] + str(rng.choice(["", "new ", " ", "x"])) + text[min(end, start + 40) :]
        live = update_text(counter, live, text)
        new = update_text(Counter(), None, text)
        assert live.words == new.words and live.scores.tolist() == new.scores.tolist()
        assert live.prediction == new.prediction


def test_change_in_the_middle_keeps_the_words_before_it():
    counter = Counter()
    words = ["word "] * 1_000
    live = update_text(counter, None, "".join(words))
    counter.words_read = 0
    update_text(counter, live, "".join([*words[:900], "new ", *words[901:]]))
    assert 100 <= counter.words_read <= 100 + STRIDE


def test_classifier_that_does_not_read_forward_predicts_the_whole_text():
    counter = Counter()
    counter.streams = False
    live = update_text(counter, update_text(counter, None, "a"), "a film")
    assert (live.scores, live.prediction.scores) == (None, {"characters": 6, "words": 2}) and counter.words_read == 0
