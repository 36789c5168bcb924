"""A tiny classifier with random weights, and what a guard has to find, from plain calls of its model."""

import numpy as np
import torch

from hf_lstm import LstmConfig, LstmForSequenceClassification, StreamingClassifier, train_tokenizer
from hf_lstm.guarding.verdict import Verdict
from hf_lstm.inference import predict_texts, probabilities
from hf_lstm.inference.stream_state import StopRule

WORDS = "a film don't you think ?! <br /> that I\tloved… once naïve 😀 日本語 [CLS] über l'été bad good [SEP] worse"
WORDS = WORDS.split(sep=" ")
ALPHABET = "ab <br/>[CLS]é😀'\r\n\x07"
TOKENIZER = train_tokenizer([" ".join(WORDS)] * 3, "word", 400, show_progress=False)


def tiny_classifier(rule: StopRule | None, **fields) -> StreamingClassifier:
    torch.manual_seed(0)
    sizes = {"vocab_size": 400, "embedding_size": 6, "hidden_size": 5, "initializer_range": 1.0}
    config = LstmConfig(
        **sizes | {"bidirectional": False, "num_labels": 2, "problem_type": "single_label_classification"} | fields
    )
    return StreamingClassifier(LstmForSequenceClassification(config), TOKENIZER, rule)


def random_text(rng: np.random.Generator, words: int) -> str:
    picked = [WORDS[i] for i in rng.integers(0, len(WORDS), words)]
    return "".join(word + " " * int(rng.integers(0, 3)) for word in picked)


def random_pieces(rng: np.random.Generator, text: str) -> list[str]:
    cuts = sorted(rng.integers(0, len(text) + 1, int(rng.integers(0, 12))))
    return [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def scores_after_tokens(classifier: StreamingClassifier, text: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Score every prefix of the tokens of a whole text by itself."""
    encoded = classifier.tokenizer(text.replace("\r", " ").replace("\x07", " "), return_offsets_mapping=True)
    ids, spans = torch.tensor([encoded["input_ids"]]), encoded["offset_mapping"][1:]  # after [CLS]
    if not spans:
        return np.zeros((0, 2)), []
    with torch.no_grad():
        logits = torch.cat([classifier.model(ids[:, : n + 2]).logits for n in range(len(spans))]).numpy()
    return probabilities(logits, classifier.problem_type), spans


def expected_verdict(classifier: StreamingClassifier, text: str) -> Verdict:
    rule = classifier.stop_rule
    column = classifier.labels.index(rule.label)
    scores, spans = scores_after_tokens(classifier, text)
    marks = "".join("x" if score >= rule.probability else "-" for score in scores[:, column])
    first = marks.find("x" * rule.for_tokens)
    if first < 0:
        (whole,) = probabilities(predict_texts(classifier.model, classifier.tokenizer, [text]), classifier.problem_type)
        return Verdict(rule.label, float(whole[column]), len(text), len(spans) + 1)
    last = first + rule.for_tokens - 1
    return Verdict(rule.label, float(scores[last, column]), spans[last][1], last + 2, spans[first][0])


def same(found: Verdict, expected: Verdict) -> bool:
    """Compare two verdicts; probabilities are compared to 1e-5."""
    close = abs(found.probability - expected.probability) < 1e-5
    fields = ("label", "position", "num_tokens", "start")
    return close and all(getattr(found, name) == getattr(expected, name) for name in fields)
