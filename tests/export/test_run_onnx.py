import subprocess
import sys

import numpy as np
import pytest
from helpers import TEXTS, make_classifier
from transformers import pipeline

pytest.importorskip("onnxruntime")

from hf_lstm.export.onnx_export import export_onnx
from hf_lstm.export.run_onnx import OnnxClassifier


@pytest.mark.parametrize(
    ("problem_type", "labels"),
    [("single_label_classification", 3), ("multi_label_classification", 3), ("regression", 1)],
)
def test_output_is_that_of_the_pipeline(tokenizer, tmp_path, problem_type, labels):
    model = make_classifier(problem_type=problem_type, num_labels=labels)
    export_onnx(model, tokenizer, tmp_path, TEXTS)
    classifier, expected = OnnxClassifier(tmp_path), pipeline("text-classification", model=model, tokenizer=tokenizer)
    texts = [text for text in TEXTS if text.isprintable()]
    for arguments in ({}, {"top_k": None}, {"top_k": 2}):
        for found, row in zip(classifier(texts, **arguments), expected(texts, **arguments), strict=True):
            found, row = (part if isinstance(part, list) else [part] for part in (found, row))
            assert [entry["label"] for entry in found] == [entry["label"] for entry in row]
            np.testing.assert_allclose([e["score"] for e in found], [e["score"] for e in row], atol=1e-5)
    assert len(classifier("one text")) == 1
    assert classifier([]) == []


def test_model_without_state_cannot_stream(tokenizer, tmp_path):
    export_onnx(make_classifier(), tokenizer, tmp_path, TEXTS)
    with pytest.raises(ValueError, match="without --streaming"):
        OnnxClassifier(tmp_path).start()
    with pytest.raises(FileNotFoundError, match="no model_int8.onnx in .*--int8"):
        OnnxClassifier(tmp_path, "model_int8.onnx")
    command = [sys.executable, str(tmp_path / "run_onnx.py"), "--stream"]
    failed = subprocess.run(command, input="x", capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr == "error: This model was exported without --streaming.\n"


def test_long_texts_are_batches_of_their_own(tokenizer, tmp_path, monkeypatch):
    export_onnx(make_classifier(bidirectional=False), tokenizer, tmp_path, TEXTS, streaming=True)
    classifier = OnnxClassifier(tmp_path)
    whole = classifier.predict_logits(TEXTS)
    sizes, run = [], classifier.run
    monkeypatch.setattr("hf_lstm.export.run_onnx.BATCH_TOKENS", 20)
    monkeypatch.setattr(classifier, "run", lambda ids, memory: sizes.append(len(ids)) or run(ids, memory))
    np.testing.assert_allclose(classifier.predict_logits(TEXTS), whole, atol=1e-5)
    assert sizes[0] == 1 and max(sizes) > 1 and sum(sizes) == len(TEXTS)
    monkeypatch.setattr("hf_lstm.export.run_onnx.STEPS", 4)
    state = classifier.feed(classifier.start(), "word " * 40)[1]
    expected = classifier("word " * 40)[0]
    assert classifier.finish(state)[0]["score"] == pytest.approx(expected["score"], abs=1e-5)
