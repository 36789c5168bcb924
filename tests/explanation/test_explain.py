import pytest
import torch
from helpers import CELL_TYPES, TEXTS

from hf_lstm import explain
from hf_lstm.inference import predict_texts
from hf_lstm.models import POOLINGS


@pytest.mark.parametrize("fields", [{}, {"bidirectional": False}, {"bidirectional": False, "reverse": True}])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELL_TYPES)
def test_contributions_sum_to_the_difference_from_the_empty_text(build, tokenizer, cell, pooling, fields):
    model = build(cell_type=cell, pooling=pooling, num_labels=3, **fields)
    texts = [*TEXTS[:6], "good film " * 20]
    logits = torch.tensor(predict_texts(model, tokenizer, [*texts, ""]))
    explanations = explain(model, tokenizer, texts)
    for text, row, explanation in zip(texts, logits[:-1], explanations, strict=True):
        label = int(row.argmax())
        odds = [probabilities[label].logit().item() for probabilities in (row.softmax(0), logits[-1].softmax(0))]
        assert explanation.label == model.config.id2label[label] and explanation.unit == "log-odds"
        assert [explanation.score, explanation.base] == pytest.approx(odds, abs=1e-4)
        total = sum(word.contribution for word in explanation.words)
        assert total == pytest.approx(explanation.score - explanation.base, abs=1e-3)
        for word in explanation.words:
            assert word.text == explanation.text[word.start : word.end] and word.text.strip() == word.text
        if "\ud83d" not in text:
            assert explanation.text == text
    assert explanations[2].words == ()  # the empty text


def test_scores_after_each_word_are_those_of_the_beginnings(build, tokenizer):
    model = build(bidirectional=False, num_labels=3)
    (explanation,) = explain(model, tokenizer, ["the film, don't and good plot"])
    beginnings = [explanation.text[: word.end] for word in explanation.words]
    expected = [one.score for one in explain(model, tokenizer, beginnings, label=explanation.label)]
    assert [word.score_after for word in explanation.words] == pytest.approx(expected, abs=1e-4)
    for fields in ({"bidirectional": True}, {"bidirectional": False, "reverse": True}):
        (other,) = explain(build(**fields), tokenizer, ["good film"])
        assert [word.score_after for word in other.words] == [None, None]


def test_a_text_alone_and_with_others_has_the_same_explanation(build, tokenizer):
    model = build()
    texts = ["good film", "the bad plot and " * 30, "bad"]
    for together, text in zip(explain(model, tokenizer, texts), texts, strict=True):
        (alone,) = explain(model, tokenizer, [text])
        for one, other in zip(alone.words, together.words, strict=True):
            assert one.contribution == pytest.approx(other.contribution, abs=1e-5)


def test_labels_that_are_explained(build, tokenizer):
    single = build(num_labels=3)
    assert [one.label for one in explain(single, tokenizer, ["good", "bad"], label="LABEL_2")] == ["LABEL_2"] * 2
    with pytest.raises(ValueError, match="no label 'x'; choose one of LABEL_0, LABEL_1, LABEL_2"):
        explain(single, tokenizer, ["good"], label="x")
    single.config.threshold = [1.0] * 3  # it abstains from every text
    best = predict_texts(single, tokenizer, ["good"]).argmax()
    assert [one.label for one in explain(single, tokenizer, ["good"])] == [f"LABEL_{best}"]
    several = build(num_labels=3, problem_type="multi_label_classification", threshold=0.01)
    found = explain(several, tokenizer, ["good film", "bad"])
    assert [one.text for one in found] == ["good film"] * 3 + ["bad"] * 3
    assert {one.label for one in found[:3]} == {"LABEL_0", "LABEL_1", "LABEL_2"}
    several.config.threshold = 0.999
    logits = predict_texts(several, tokenizer, ["good film"])
    assert [one.label for one in explain(several, tokenizer, ["good film"])] == [f"LABEL_{logits.argmax()}"]
    regression = build(num_labels=1, problem_type="regression")
    (one,) = explain(regression, tokenizer, ["good film"])
    assert one.unit == "output" and one.score == pytest.approx(
        predict_texts(regression, tokenizer, ["good film"]).item()
    )


def test_the_words_that_decide_have_the_largest_contributions(trained, tokenizer):
    texts = ["the good film and plot the the and", "the film bad and plot the and the"]
    for explanation, decisive in zip(explain(trained, tokenizer, texts, label="pos"), ("good", "bad"), strict=True):
        largest = max(explanation.words, key=lambda word: abs(word.contribution))
        assert largest.text == decisive and (largest.contribution > 0) == (decisive == "good")


def test_no_texts_and_wrong_ones(build, tokenizer):
    assert explain(build(), tokenizer, []) == []
    with pytest.raises(TypeError, match="single string"):
        explain(build(), tokenizer, "good")
