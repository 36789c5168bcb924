import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TEXTS, make_classifier

pytest.importorskip("onnxruntime")
import onnx
from onnxruntime import InferenceSession

from hf_lstm.export.onnx_export import check_parity, export_onnx
from hf_lstm.export.onnx_graph import GATES, build_graph
from hf_lstm.export.run_onnx import OnnxClassifier
from hf_lstm.inference.prediction import format_predictions, predict_texts
from hf_lstm.inference.streaming import StreamingClassifier
from hf_lstm.text.tokenization import train_tokenizer

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
POOLINGS = ("last", "max", "mean", "concat")


def make_batch() -> dict[str, torch.Tensor]:
    """Padding on the right, on the left, in the middle, none, and a row without a token."""
    rows = ["1111000", "0000111", "1010110", "1111111", "0000000"]
    mask = torch.tensor([[int(cell) for cell in row] for row in rows])
    generator = torch.Generator().manual_seed(0)
    return {"input_ids": torch.randint(0, 300, mask.shape, generator=generator), "attention_mask": mask}


def run(session: InferenceSession, **feeds) -> dict[str, np.ndarray]:
    feeds = {name: np.asarray(value) for name, value in feeds.items()}
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, feeds), strict=True))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELLS)
def test_graph_says_what_the_model_says(cell_type, bidirectional, pooling, layers):
    fields = {"cell_type": cell_type, "bidirectional": bidirectional, "pooling": pooling, "num_hidden_layers": layers}
    model = make_classifier(**fields)
    graph = build_graph(model)
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count(CELLS[cell_type]) == layers
    assert not {"Loop", "Scan", "If"} & set(operators)
    used = {name for node in graph.graph.node for name in node.input}
    assert {constant.name for constant in graph.graph.initializer} <= used
    session = InferenceSession(graph.SerializeToString())
    batch = make_batch()
    for part in (batch, {name: value[:2, :5] for name, value in batch.items()}):
        with torch.no_grad():
            expected = model(**part).logits
        np.testing.assert_allclose(run(session, **part)["logits"], expected, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", CELLS)
def test_graph_of_a_reverse_model_says_what_the_model_says(cell_type, pooling, layers):
    fields = {"cell_type": cell_type, "pooling": pooling, "num_hidden_layers": layers}
    model = make_classifier(**fields, bidirectional=False, reverse=True)
    session = InferenceSession(build_graph(model).SerializeToString())
    batch = make_batch()
    with torch.no_grad():
        expected = model(**batch).logits
        assert not torch.allclose(
            expected[3], make_classifier(**fields, bidirectional=False)(**batch).logits[3], atol=1e-3
        )
    np.testing.assert_allclose(run(session, **batch)["logits"], expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", CELLS)
def test_state_goes_in_and_out(cell_type, pooling):
    model = make_classifier(cell_type=cell_type, bidirectional=False, pooling=pooling, num_hidden_layers=2)
    session = InferenceSession(build_graph(model, streaming=True).SerializeToString())
    batch = make_batch()
    with torch.no_grad():
        expected = model(**batch)
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    memory = {
        entry.name: np.zeros([5 if size == "batch" else size for size in entry.shape], dtype=types[entry.type])
        for entry in session.get_inputs()[2:]
    }
    for start, end in ((0, 3), (3, 4), (4, 7)):  # the padding of some rows fills whole parts
        outputs = run(session, **{name: value[:, start:end] for name, value in batch.items()}, **memory)
        memory = {name: outputs[f"next_{name}"] for name in memory}
    np.testing.assert_allclose(outputs["logits"], expected.logits, atol=1e-5)
    parts = expected.state if cell_type == "lstm" else (expected.state,)
    for name, part in zip("hc", parts, strict=False):
        np.testing.assert_allclose(outputs[f"next_{name}"], part, atol=1e-5)
    assert memory["count"][:, 0].tolist() == [4, 3, 4, 7, 0]


@pytest.mark.parametrize("fields", [{"bidirectional": True}, {"bidirectional": False, "reverse": True}])
def test_model_that_reads_from_the_end_cannot_stream(fields):
    with pytest.raises(ValueError, match="cannot be exported for streaming"):
        build_graph(make_classifier(**fields), streaming=True)


@pytest.mark.parametrize("cell_type", CELLS)
def test_exported_folder(tokenizer, tmp_path, cell_type):
    model = make_classifier(cell_type=cell_type)
    labels = np.arange(len(TEXTS)) % 3
    report = export_onnx(model, tokenizer, tmp_path / "onnx", TEXTS, labels, int8=True)
    assert json.loads((tmp_path / "onnx" / "onnx_report.json").read_text()) == report
    assert report["parity"]["largest_difference"] < 1e-5 and report["parity"]["rows"] == 12 * (1 + 5 + 30)
    assert list(report["models"]) == ["torch", "model.onnx", "model_int8.onnx"]
    right = predict_texts(model, tokenizer, TEXTS).argmax(1) == labels
    assert report["models"]["model.onnx"]["accuracy"] == pytest.approx(right.mean())
    operators = {node.op_type for node in onnx.load(tmp_path / "onnx" / "model_int8.onnx").graph.node}
    assert ("DynamicQuantizeLSTM" if cell_type == "lstm" else CELLS[cell_type]) in operators
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == [
        "boundaries.py",
        "config.json",
        "model.onnx",
        "model_int8.onnx",
        "onnx_report.json",
        "run_onnx.py",
        "tokenizer.json",
    ]


def test_graph_that_differs_is_not_written(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setitem(GATES, "lstm", [0, 1, 2, 3])
    with pytest.raises(ValueError, match="differs from the model"):
        export_onnx(make_classifier(), tokenizer, tmp_path / "onnx", TEXTS)
    assert not any((tmp_path / "onnx").iterdir())


def test_scores_that_are_no_numbers_are_no_match(tokenizer, tmp_path):
    model = make_classifier()
    export_onnx(model, tokenizer, tmp_path, TEXTS)
    classifier, calls = OnnxClassifier(tmp_path), []

    class Broken:
        get_inputs = classifier.session.get_inputs

        def run(self, names, feeds):
            calls.append(1)
            return [np.full_like(output, np.nan) if len(calls) > 5 else output for output in session.run(names, feeds)]

    session, classifier.session = classifier.session, Broken()
    with pytest.raises(ValueError, match="differs from the model by nan"):
        check_parity(model, tokenizer, classifier, TEXTS)


def test_folders_are_not_mixed(tokenizer, tmp_path):
    model = make_classifier().to(torch.bfloat16)
    export_onnx(model, tokenizer, tmp_path / "onnx", TEXTS, int8=True)
    export_onnx(model, tokenizer, tmp_path / "onnx", TEXTS)
    assert not (tmp_path / "onnx" / "model_int8.onnx").exists()
    assert model.dtype == torch.bfloat16
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a model"):
        export_onnx(model, tokenizer, tmp_path, TEXTS)
    model.config.problem_type = None
    with pytest.raises(ValueError, match="does not say what its scores are"):
        export_onnx(model, tokenizer, tmp_path / "untrained", TEXTS)


WITHOUT_TORCH = """
import runpy, sys
for name in ("torch", "transformers", "hf_lstm", "onnx", "datasets", "safetensors"):
    sys.modules[name] = None  # as where it is not installed
folder, *sys.argv = sys.argv[1:]
sys.path.insert(0, folder)
sys.argv.insert(0, folder + "/run_onnx.py")
"""


def run_without_torch(folder, code: str, *arguments: str, stdin: bytes = b"") -> str:
    command = [sys.executable, "-c", WITHOUT_TORCH + code, str(folder), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout.decode()


def test_folder_serves_itself_without_torch(tokenizer, tmp_path):
    model = make_classifier(bidirectional=False)
    export_onnx(model, tokenizer, tmp_path, TEXTS, streaming=True, int8=True)
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


PAGE = """<!doctype html><meta charset="utf-8">
<script type="importmap">{"imports": {
"onnxruntime-web/wasm": "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
"@huggingface/tokenizers": "./node_modules/@huggingface/tokenizers/dist/tokenizers.mjs"}}</script>
<body><script type="module">
try {
  const { load } = await import("./classify.mjs");
  const [classify, texts] = [await load("onnx"), await (await fetch("texts.json")).json()];
  const found = [];
  for (const text of texts) found.push(await classify(text));
  document.body.textContent = JSON.stringify(found);
} catch (error) { document.body.textContent = error.stack; }
</script>"""
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
NODE_MODULES = os.environ.get("NODE_MODULES")  # a folder with onnxruntime-web and @huggingface/tokenizers


@pytest.mark.skipif(not (BROWSER and NODE_MODULES), reason="needs Chromium, and NODE_MODULES naming a folder")
@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_javascript_of_the_readme_says_the_same_in_a_browser(tmp_path, kind):
    texts = [text for text in TEXTS[:5] if text.strip()]
    texts += ["x" * 100 + " " + "good" * 40, "### ## ﬁne … <BR/>so!!!!!", "DON’T [CLS]", "e\u0301 漢字"]
    its_tokenizer, model = train_tokenizer(texts * 2, kind, 300, show_progress=False), make_classifier()
    export_onnx(model, its_tokenizer, tmp_path / "onnx", TEXTS)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (tmp_path / "classify.mjs").write_text(re.search(r"```js\n(.*?)```", readme, re.DOTALL)[1], encoding="utf-8")
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    (tmp_path / "node_modules").symlink_to(Path(NODE_MODULES).resolve())
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"]
        command.append(f"http://127.0.0.1:{server.server_address[1]}/index.html")
        page = subprocess.run(command, capture_output=True, text=True, timeout=100).stdout
        server.shutdown()
    found = json.loads(re.search(r"</script>\n?</head><body>(.*)</body>", page, re.DOTALL)[1])
    expected = OnnxClassifier(tmp_path / "onnx")(texts, top_k=None)
    for row, known in zip(found, expected, strict=True):
        assert {entry["label"]: entry["score"] for entry in row} == pytest.approx(
            {entry["label"]: entry["score"] for entry in known}, abs=1e-5
        )
