import math
from dataclasses import replace

import pytest

from hf_lstm import explain
from hf_lstm.explanation.faithfulness import delete_words, measure_faithfulness
from hf_lstm.explanation.words import Word

TEXTS = [
    "the good film and plot the the and",
    "bad plot the and film the and the",
    "good good bad the and the plot",
] * 4


def test_important_words_matter_more_than_random_ones(trained, tokenizer):
    explanations = explain(trained, tokenizer, [*TEXTS, ""])
    result = measure_faithfulness(trained, tokenizer, explanations)
    assert result.texts == 12 and 0.05 < result.area <= result.random <= 1 and result.standard_error < 0.1
    # The opposite order deletes the words that speak for the label last.
    turned = [
        replace(one, words=tuple(replace(word, contribution=-word.contribution) for word in one.words))
        for one in explanations
    ]
    assert measure_faithfulness(trained, tokenizer, turned).area < 0


def test_deleted_words_leave_the_others_apart():
    words = [Word("-", 4, 5, 0.0), Word("a", 0, 1, 0.0)]
    assert delete_words("a so-b", [words[0]]) == "a so b"
    assert delete_words("a so-b", words) == "  so b"


def test_texts_without_words(trained, tokenizer):
    with pytest.raises(ValueError, match="No text has a word"):
        measure_faithfulness(trained, tokenizer, explain(trained, tokenizer, [""]))
    assert math.isnan(measure_faithfulness(trained, tokenizer, explain(trained, tokenizer, ["good"])).standard_error)
