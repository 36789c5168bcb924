import numpy as np
import pytest

from hf_lstm.auditing.near_duplicates import find_near_duplicates

WORDS = [f"w{i}" for i in range(30)]


def words_of(text):
    return set(text.lower().split())


def test_exact_duplicates_ignore_case_order_and_space_and_report_the_rows_of_the_data():
    texts = ["Good film", "film  GOOD", "bad film", "Good film"]
    found = find_near_duplicates(texts, ["p", "n", "n", "p"], np.array([0, 4, 5, 9]))
    assert found.to_dict("list") == {
        "row_a": [1, 5],
        "row_b": [5, 10],
        "similarity": [1.0, 1.0],
        "label_a": ["p", "n"],
        "label_b": ["n", "p"],
        "text_a": ["Good film", "film  GOOD"],
        "text_b": ["film  GOOD", "Good film"],
    }


def test_near_duplicates_share_four_of_five_words():
    texts = ["a b c d", "a b c d e", "a b c x y"]  # similarities 4/5, 3/6, 3/7
    found = find_near_duplicates(texts, ["p", "n", "n"], np.arange(3))
    assert found[["row_a", "row_b", "similarity"]].values.tolist() == [[1, 2, 0.8]]


def test_no_pair_is_missed(monkeypatch):
    """The prefixes and blocks find the same pairs as a comparison of all texts with each other."""
    monkeypatch.setattr("hf_lstm.auditing.near_duplicates.BLOCK_TEXTS", 7)
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(40):
        words = rng.choice(WORDS, size=rng.integers(1, 15), replace=False).tolist()
        for _ in range(3):  # the text, and two with a word less and a word more
            texts.append(" ".join(rng.permutation(words)))
            labels.append(str(rng.integers(2)))
            words = [*words[1:], *rng.choice(WORDS, size=rng.integers(3)).tolist()] or ["w0"]
    expected = {
        (a + 1, b + 1)
        for a in range(len(texts))
        for b in range(a + 1, len(texts))
        if labels[a] != labels[b]
        and len(words_of(texts[a]) & words_of(texts[b])) / len(words_of(texts[a]) | words_of(texts[b])) >= 0.8
    }
    found = find_near_duplicates(texts, labels, np.arange(len(texts)))
    assert len(expected) > 20 and set(zip(found["row_a"], found["row_b"], strict=True)) == expected
    assert found["similarity"].is_monotonic_decreasing


@pytest.mark.parametrize("texts", [["。。", "、"], ["", " "]])
def test_texts_without_words(texts):
    assert find_near_duplicates(texts, ["p", "n"], np.arange(2)).empty


def test_scripts_without_spaces_are_compared_by_character():
    found = find_near_duplicates(["这部电影很好看啊", "这部电影很好看"], ["p", "n"], np.arange(2))
    assert found["similarity"].tolist() == [7 / 8]


def test_symbols_are_words():
    found = find_near_duplicates(["👍", "👍", "good 👍", "good 👎"], ["x", "y", "x", "y"], np.arange(4))
    assert found[["row_a", "row_b"]].values.tolist() == [[1, 2]]  # the other two share one of three words
