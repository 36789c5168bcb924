import numpy as np
import pytest

pytest.importorskip("gradio", reason="Gradio is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from helpers import TEXTS, make_classifier

from hf_lstm.demo.live_text import update_text
from hf_lstm.demo.readers import TorchReader
from hf_lstm.export.onnx_export import export_onnx
from hf_lstm.space.app import OnnxReader


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
@pytest.mark.parametrize("streams", [True, False])
def test_scores_after_each_word_are_those_of_the_model(tokenizer, tmp_path, problem_type, streams):
    model = make_classifier(problem_type=problem_type, bidirectional=not streams)
    export_onnx(model, tokenizer, tmp_path, TEXTS, stateful=streams)
    reader, expected = OnnxReader("name", tmp_path), TorchReader("name", model, tokenizer)
    assert (reader.labels, reader.is_regression, reader.streams) == (
        expected.labels, problem_type == "regression", streams
    )  # fmt: skip
    for text in TEXTS[:6]:
        live, wanted = update_text(reader, None, text), update_text(expected, None, text)
        assert live.prediction.label == wanted.prediction.label
        assert live.prediction.scores == pytest.approx(wanted.prediction.scores, abs=1e-5)
        if streams:
            np.testing.assert_allclose(live.scores, wanted.scores, atol=1e-5)
