import random
import subprocess
import sys
from dataclasses import astuple

import pytest
import torch
from helpers import TEXTS, make_classifier

pytest.importorskip("onnxruntime")

from hf_lstm.export.guard_onnx import decode, guard
from hf_lstm.export.onnx_export import export_onnx
from hf_lstm.export.run_onnx import OnnxClassifier
from hf_lstm.guarding import StoppedByGuard
from hf_lstm.inference import StreamingClassifier

LABEL = "LABEL_1"
TEXT = "A naïve film — “so bad”<br />😀 it's... GOOD, don't you think? " + "x" * 70 + " ﬁn! ok ok ok"


@pytest.fixture(scope="module")
def exported(tokenizer, tmp_path_factory):
    """Return a model, its folder and probabilities that its label reaches after some tokens of `TEXT`."""
    folder, model = tmp_path_factory.mktemp("onnx"), make_classifier(bidirectional=False)
    export_onnx(model, tokenizer, folder, TEXTS, stateful=True)
    stream = StreamingClassifier(model, tokenizer)
    scores = stream.feed(stream.start(), TEXT, each_token=True)[0].token_scores[:, 1]
    return model, folder, sorted(scores)


def cut(data, rng):
    """Cut a string or bytes at random positions."""
    places = sorted(rng.sample(range(len(data) + 1), rng.randrange(12)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def test_verdict_and_released_text_equal_those_of_the_torch_classifier(exported, tokenizer):
    model, folder, scores = exported
    classifier, rng, stops = OnnxClassifier(folder), random.Random(0), set()
    for _ in range(150):
        i = rng.randrange(len(scores) - 1)
        rule = (LABEL, float(scores[i] + scores[i + 1]) / 2, rng.choice([1, 2, 5]))
        stream = StreamingClassifier(model, tokenizer).stop_when(*rule)
        fed, state = stream.feed(stream.start(), TEXT, each_token=True)
        end = stream.finish(state, each_token=True)
        spans = fed.token_spans + end.token_spans
        guarded = guard(cut(rng.choice([TEXT, TEXT.encode()]), rng), classifier.stop_when(*rule))
        shown = "".join(guarded)
        label, probability, position, num_tokens, start = astuple(guarded.verdict)
        stops.add(start)
        assert (label, position) == (LABEL, end.stopped_at or len(TEXT))
        if end.stopped_at is None:
            assert shown == TEXT and num_tokens == end.num_tokens and not guarded.verdict.stopped
            assert probability == pytest.approx(end.scores[LABEL], abs=1e-5)
        else:
            token = [span[1] for span in spans].index(position)
            assert start == spans[token + 1 - rule[2]][0] and guarded.verdict.stopped
            assert shown == TEXT[:start] and num_tokens == token + 2
            expected = [*fed.token_scores[:, 1], *end.token_scores[:, 1]][token]
            assert probability == pytest.approx(expected, abs=1e-5) and probability >= rule[1]
    assert len(stops) > 8 and None in stops


def test_text_is_held_back_until_its_words_are_read_and_immediate_text_is_not(exported):
    _, folder, scores = exported
    classifier = OnnxClassifier(folder).stop_when(LABEL, float(scores[-9]))
    guarded = guard(["go", "od fi", "lm and"], classifier.stop_when(LABEL, 1.0))
    assert list(guarded) == ["good ", "film ", "and"] and not guarded.verdict.stopped
    taken = []
    source = (taken.append(character) or character for character in TEXT)
    held = "".join(guard(source, classifier))
    assert TEXT.startswith(held) and len(held) < len(taken) < len(TEXT)
    guarded = guard(iter(TEXT), classifier, release="immediate")
    assert "".join(guarded) == TEXT[: len(taken) - 1] and len(held) < guarded.verdict.position < len(taken)


def test_stop_closes_the_source_and_can_raise(exported):
    _, folder, scores = exported
    classifier = OnnxClassifier(folder).stop_when(LABEL, float(scores[0]) / 2)
    closed = []

    def source():
        try:
            while True:
                yield "word "
        finally:
            closed.append(True)

    guarded = guard(source(), classifier, on_stop="raise")
    with pytest.raises(StoppedByGuard, match="character 4") as caught:
        list(guarded)
    assert closed == [True] and caught.value.verdict == guarded.verdict and guarded.verdict.num_tokens == 2
    guarded = guard(source(), classifier.stop_when(LABEL, 1.0))
    assert next(guarded) == "word "
    guarded.close()
    assert closed == [True, True] and guarded.verdict is None


def test_a_probability_of_1_is_reached_in_the_precision_of_the_model(tokenizer, tmp_path):
    model, rule = make_classifier(bidirectional=False), (LABEL, 1.0, 2)
    with torch.no_grad():
        model.classifier.bias[1] += 20  # probabilities of about 1 - 1e-9, which are 1 in single precision
    export_onnx(model, tokenizer, tmp_path, TEXTS, stateful=True)
    stream = StreamingClassifier(model, tokenizer).stop_when(*rule)
    assert stream.feed(stream.start(), "good film bad ")[0].stopped_at == len("good film")
    guarded = guard(["good film bad "], OnnxClassifier(tmp_path).stop_when(*rule))
    assert list(guarded) == [] and guarded.verdict.position == len("good film") and guarded.verdict.probability == 1


def test_mistakes_are_refused(exported):
    classifier = OnnxClassifier(exported[1])
    with pytest.raises(ValueError, match="no stop rule"):
        guard([], classifier)
    with pytest.raises(ValueError, match="Unknown release 'later'; choose one of: hold_back, immediate"):
        guard([], classifier.stop_when(LABEL, 0.5), release="later")
    for rule, sentence in ((("bad", 0.5), "no label 'bad'"), ((LABEL, 1.5), "above 0"), ((LABEL, 0.5, 0), "1 token")):
        with pytest.raises(ValueError, match=sentence):
            classifier.stop_when(*rule)
    with pytest.raises(ValueError, match="whole number"):
        classifier.stop_when(LABEL, 0.5, 2.5)
    classifier = classifier.stop_when(LABEL, 1.0)
    for text in ("good film", b"good film"):
        with pytest.raises(TypeError, match="iterable of pieces of a text, got a single"):
            guard(text, classifier)
    for piece, kind in ((None, "NoneType"), (5, "int"), ([], "list")):
        with pytest.raises(TypeError, match=f"Expected a string or bytes as the next piece of the text, got {kind}"):
            list(guard(["good ", piece], classifier))


def test_rule_of_the_model_is_the_default(exported, tokenizer, tmp_path):
    model, _, scores = exported
    rule = {"label": LABEL, "probability": float(scores[0]) / 2, "for_tokens": 3}
    model.config.stop_rule = rule
    try:
        export_onnx(model, tokenizer, tmp_path, TEXTS, stateful=True)
    finally:
        model.config.stop_rule = None
    assert OnnxClassifier(tmp_path).stop_rule._asdict() == rule
    command = [sys.executable, str(tmp_path / "run_onnx.py"), "--stream"]
    done = subprocess.run(command, input=b"one two three four", capture_output=True)
    assert done.returncode == 3 and done.stderr.startswith(b"stopped at character 13: LABEL_1 had a probability of")
    done = subprocess.run([*command, "--stop_when", LABEL, "1", "1"], input=b"one two", capture_output=True)
    assert done.returncode == 0 and not done.stderr
    done = subprocess.run([*command, "--stop_when", "bad", "1", "1"], input=b"one two", capture_output=True)
    assert done.returncode == 1 and done.stderr.startswith(b"error: There is no label 'bad'")


def test_decoding_joins_characters_that_are_cut():
    smiley, half = "😀".encode(), "\ud83d"  # the first half of its surrogate pair
    pieces = [b"a" + smiley[:2], smiley[2:], "", half, "\ude00", smiley[:1], "x", half]
    assert [text for text, _ in decode(pieces)] == ["a", "😀", "", "😀", "", "\ufffdx", "", "\ufffd"]
    assert [at_end for _, at_end in decode(pieces)] == [False] * 7 + [True]
