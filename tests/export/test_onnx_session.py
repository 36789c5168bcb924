import numpy as np
import pytest
from helpers import TEXTS, make_classifier

pytest.importorskip("onnxruntime")

from hf_lstm.export.onnx_export import export_onnx
from hf_lstm.export.onnx_session import OnnxSession
from hf_lstm.text import clean_text, train_tokenizer


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_tokens_are_those_of_the_tokenizer(tmp_path, kind):
    tokenizer = train_tokenizer(TEXTS, kind, 300, show_progress=False)
    export_onnx(make_classifier(bidirectional=False), tokenizer, tmp_path, TEXTS, stateful=True)
    session = OnnxSession(tmp_path)
    assert (session.words is None) == (kind == "bpe")
    texts = [clean_text(text) for text in TEXTS]
    expected = [tokenizer.backend_tokenizer.encode(text) for text in texts]
    assert session.encode(TEXTS) == [encoding.ids for encoding in expected]
    for text in texts:
        encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        assert session.encode_piece(text) == (encoding.ids, encoding.offsets)


def test_ascii_texts_do_not_load_the_tokenizer(tokenizer, tmp_path):
    export_onnx(make_classifier(), tokenizer, tmp_path, TEXTS)
    session = OnnxSession(tmp_path)
    session.predict_logits(["a good film"])
    assert "tokenizer" not in vars(session)
    session.predict_logits(["a naïve film"])
    assert "tokenizer" in vars(session)


def test_threads_share_the_batches_without_changing_the_logits(tokenizer, tmp_path, monkeypatch):
    export_onnx(make_classifier(), tokenizer, tmp_path, TEXTS)
    monkeypatch.setattr("hf_lstm.export.onnx_session.BATCH_TOKENS", 20)
    one, four = (OnnxSession(tmp_path, threads=threads).predict_logits(TEXTS) for threads in (1, 4))
    np.testing.assert_array_equal(one, four)
    with pytest.raises(TypeError):  # the error of a batch is raised
        session = OnnxSession(tmp_path, threads=4)
        session.initial_state = None
        session.predict_logits(TEXTS)


@pytest.mark.parametrize(("given", "threads"), [("3", 3), ("4,2", 4), ("", 7), ("0", 7)])
def test_threads_are_those_of_openmp_or_one_per_core(tokenizer, tmp_path, monkeypatch, given, threads):
    export_onnx(make_classifier(), tokenizer, tmp_path, TEXTS)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert OnnxSession(tmp_path).threads == threads and OnnxSession(tmp_path, threads=2).threads == 2
