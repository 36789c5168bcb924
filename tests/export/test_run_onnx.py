import json
import subprocess
import sys

import numpy as np
import pytest
from helpers import TEXTS, make_classifier
from scipy.special import softmax
from transformers import pipeline

pytest.importorskip("onnxruntime")

from hf_lstm.cli import predict
from hf_lstm.export.onnx_export import export_onnx
from hf_lstm.export.run_onnx import OnnxClassifier, format_line
from hf_lstm.inference import StreamingClassifier, format_predictions, predict_texts


@pytest.mark.parametrize(
    ("problem_type", "labels"),
    [("single_label_classification", 3), ("multi_label_classification", 3), ("regression", 1)],
)
def test_output_equals_that_of_the_pipeline(tokenizer, tmp_path, problem_type, labels):
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


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_regression_is_predicted_as_by_the_model(tokenizer, tmp_path, outputs):
    model = make_classifier(problem_type="regression", num_labels=outputs)
    export_onnx(model, tokenizer, tmp_path, TEXTS)
    expected = format_predictions(predict_texts(model, tokenizer, TEXTS), model.config)
    for found, row in zip(OnnxClassifier(tmp_path).predict(TEXTS), expected, strict=True):
        assert found.keys() == row.keys() == {"score"}
        np.testing.assert_allclose(found["score"], row["score"], atol=1e-5)
    assert format_line({"score": 0.5}) == "\t0.5000"
    assert format_line({"label": None, "score": 0.5}) == "(no label)\t0.5000"
    assert format_line({"label": [], "score": []}) == "(no label)\t"


def test_model_exported_without_its_state_cannot_stream(tokenizer, tmp_path):
    export_onnx(make_classifier(), tokenizer, tmp_path, TEXTS)
    with pytest.raises(ValueError, match="without --stateful"):
        OnnxClassifier(tmp_path).start()
    with pytest.raises(FileNotFoundError, match="no model_int8.onnx in .*--int8"):
        OnnxClassifier(tmp_path, "model_int8.onnx")
    command = [sys.executable, str(tmp_path / "run_onnx.py"), "--stream"]
    failed = subprocess.run(command, input="x", capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr == "error: This model was exported without --stateful.\n"


def test_each_text_is_one_line_with_three_columns(tokenizer, tmp_path):
    export_onnx(make_classifier(), tokenizer, tmp_path, TEXTS)
    command = [sys.executable, str(tmp_path / "run_onnx.py"), "a\tgood\nfilm", b"a bad \xff book"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == ["a good film", "a bad ? book"], done.stderr


def test_lines_are_scored_in_parts(tokenizer, tmp_path):
    export_onnx(make_classifier(), tokenizer, tmp_path, TEXTS)
    runner = tmp_path / "run_onnx.py"
    runner.write_text(runner.read_text(encoding="utf-8").replace("WINDOW = 2_048", "WINDOW = 2"), encoding="utf-8")
    lines = ["a good film", "", "a bad book", "a film", "a book"]
    done = subprocess.run([sys.executable, str(runner)], input="\n".join(lines), capture_output=True, text=True)
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == lines, done.stderr


def test_batches_and_long_pieces_are_split_without_changing_the_scores(tokenizer, tmp_path, monkeypatch):
    export_onnx(make_classifier(bidirectional=False), tokenizer, tmp_path, TEXTS, stateful=True)
    classifier = OnnxClassifier(tmp_path)
    whole = classifier.predict_logits(TEXTS)
    sizes, run = [], classifier.run
    monkeypatch.setattr("hf_lstm.export.onnx_session.BATCH_TOKENS", 20)
    monkeypatch.setattr(classifier, "run", lambda ids, state: sizes.append(len(ids)) or run(ids, state))
    np.testing.assert_allclose(classifier.predict_logits(TEXTS), whole, atol=1e-5)
    assert sizes[0] == 1 and max(sizes) > 1 and sum(sizes) == len(TEXTS)
    monkeypatch.setattr("hf_lstm.export.run_onnx.STEPS", 4)
    state = classifier.feed(classifier.start(), "word " * 40)[1]
    expected = classifier("word " * 40)[0]
    assert classifier.finish(state)[0]["score"] == pytest.approx(expected["score"], abs=1e-5)


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_thresholds_are_those_of_the_package(tokenizer, tmp_path, problem_type):
    model = make_classifier(problem_type=problem_type, bidirectional=False)
    logits = predict_texts(model, tokenizer, TEXTS)
    # A threshold in the middle of the scores of each label; the last label is never predicted.
    scores = softmax(logits, axis=1) if problem_type.startswith("single") else 1 / (1 + np.exp(-logits))
    model.config.threshold = [*np.median(scores[:, :2], axis=0).tolist(), 1.0]
    export_onnx(model, tokenizer, tmp_path, TEXTS, stateful=True)
    classifier, expected = OnnxClassifier(tmp_path), format_predictions(logits, model.config)
    labels = [row["label"] for row in expected]
    assert (None if problem_type.startswith("single") else []) in labels and "LABEL_2" not in np.hstack(labels)
    for found, row in zip(classifier.predict(TEXTS), expected, strict=True):
        assert found["label"] == row["label"] and found["score"] == pytest.approx(row["score"], abs=1e-5)
        assert format_line(found) == predict.format_line(row, "")[:-1]
    stream = StreamingClassifier(model, tokenizer)
    for text in TEXTS[:6]:
        found = classifier.choose(classifier.finish(classifier.feed(classifier.start(), text)[1]))
        assert found["label"] == stream.finish(stream.feed(stream.start(), text)[1]).label


WITHOUT_TORCH = """
import runpy, sys
for name in ("torch", "transformers", "hf_lstm", "onnx", "datasets", "safetensors"):
    sys.modules[name] = None  # as if it were not installed
folder, *sys.argv = sys.argv[1:]
sys.path.insert(0, folder)
sys.argv.insert(0, folder + "/run_onnx.py")
"""


def run_without_torch(folder, code: str, *arguments: str, stdin: bytes = b"") -> str:
    command = [sys.executable, "-c", WITHOUT_TORCH + code, str(folder), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout.decode()


@pytest.mark.slow
def test_exported_folder_runs_without_torch(tokenizer, tmp_path):
    model = make_classifier(bidirectional=False)
    export_onnx(model, tokenizer, tmp_path, TEXTS, stateful=True, int8=True)
    code = """
import json
from run_onnx import OnnxClassifier
classifier = OnnxClassifier()
texts = json.loads(sys.stdin.read())
state = classifier.start()
for text in texts:
    for i in range(0, len(text), 3):
        _, state = classifier.feed(state, text[i : i + 3])
light = OnnxClassifier(model="model_int8.onnx")
last = light.finish(light.feed(light.start(), "".join(texts))[1])
print(json.dumps([classifier(texts), classifier(texts[0], top_k=None), classifier.finish(state), last]))
"""
    texts = [text for text in TEXTS if text.isprintable()][:4]
    best, every, streamed, light = json.loads(run_without_torch(tmp_path, code, stdin=json.dumps(texts).encode()))
    logits = predict_texts(model, tokenizer, texts)
    for found, expected in zip(best, format_predictions(logits, model.config), strict=True):
        assert found["label"] == expected["label"] and found["score"] == pytest.approx(expected["score"], abs=1e-5)
    assert every[0][0] == best[0] and len(every[0]) == 3
    stream = StreamingClassifier(model, tokenizer)
    result = stream.finish(stream.feed(stream.start(), "".join(texts))[1])
    assert {row["label"]: row["score"] for row in streamed} == pytest.approx(result.scores, abs=1e-5)
    assert {row["label"]: row["score"] for row in light} == pytest.approx(result.scores, abs=0.2)

    main = 'runpy.run_path(sys.argv[0], run_name="__main__")'
    assert run_without_torch(tmp_path, main, "a book").startswith(classifier_line(model, tokenizer, "a book"))
    streamed = run_without_torch(tmp_path, main, "--stream", stdin="naïve 😀 book".encode())
    assert streamed.splitlines()[-1] == classifier_line(model, tokenizer, "naïve 😀 book")


def classifier_line(model, tokenizer, text: str) -> str:
    prediction = format_predictions(predict_texts(model, tokenizer, [text]), model.config)[0]
    return f"{prediction['label']}\t{prediction['score']:.4f}"
