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

from hf_lstm import LstmConfig
from hf_lstm.export.onnx_export import check_parity, export_onnx, remove_unused
from hf_lstm.export.onnx_graph import GATES
from hf_lstm.export.run_onnx import OnnxClassifier
from hf_lstm.inference import format_predictions, predict_texts
from hf_lstm.text import train_tokenizer

OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("cell_type", OPERATORS)
def test_exported_folder(tokenizer, tmp_path, cell_type):
    model = make_classifier(cell_type=cell_type)
    labels = np.arange(len(TEXTS)) % 3
    report = export_onnx(model, tokenizer, tmp_path / "onnx", TEXTS, labels, int8=True)
    assert json.loads((tmp_path / "onnx" / "onnx_report.json").read_text()) == report
    assert report["parity"]["largest_difference"] < 1e-5 and report["parity"]["rows"] == 12 * (1 + 5 + 30)
    assert list(report["models"]) == ["torch", "model.onnx", "model_int8.onnx"]
    correct = predict_texts(model, tokenizer, TEXTS).argmax(1) == labels
    assert report["models"]["model.onnx"]["accuracy"] == pytest.approx(correct.mean())
    operators = {node.op_type for node in onnx.load(tmp_path / "onnx" / "model_int8.onnx").graph.node}
    assert ("DynamicQuantizeLSTM" if cell_type == "lstm" else OPERATORS[cell_type]) in operators
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == [
        "ascii_words.py",
        "boundaries.py",
        "classifier.mjs",
        "config.json",
        "guard_onnx.py",
        "model.onnx",
        "model_int8.onnx",
        "onnx_report.json",
        "onnx_session.py",
        "run_onnx.py",
        "tokenizer.json",
        "verdict.py",
    ]


def test_graph_with_different_logits_is_not_written(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setitem(GATES, "lstm", [0, 1, 2, 3])
    with pytest.raises(ValueError, match="differs from the model"):
        export_onnx(make_classifier(), tokenizer, tmp_path / "onnx", TEXTS)
    assert not any((tmp_path / "onnx").iterdir())


def test_nan_logits_fail_the_comparison(tokenizer, tmp_path):
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


def test_export_removes_an_old_int8_graph_and_refuses_model_folders(tokenizer, tmp_path, capsys):
    model = make_classifier().to(torch.bfloat16)
    export_onnx(model, tokenizer, tmp_path / "onnx", TEXTS, int8=True)
    assert "Replaced" not in capsys.readouterr().out
    export_onnx(model, tokenizer, tmp_path / "onnx", TEXTS)
    assert not (tmp_path / "onnx" / "model_int8.onnx").exists()
    printed = f"Replaced the earlier export in {tmp_path / 'onnx'}. Removed model_int8.onnx (--int8), which this export"
    assert printed in capsys.readouterr().out
    assert model.dtype == torch.bfloat16
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="contains a model"):
        export_onnx(model, tokenizer, tmp_path, TEXTS)
    model.config.problem_type = None
    with pytest.raises(ValueError, match="has no problem_type"):
        export_onnx(model, tokenizer, tmp_path / "untrained", TEXTS)


def test_files_of_options_that_are_not_given_are_removed(tmp_path):
    for name in ("model.onnx", "model_int8.onnx", "index.html", "stream.mjs"):
        (tmp_path / name).write_text("")
    assert remove_unused(tmp_path, stateful=True, int8=True) == []
    assert remove_unused(tmp_path, stateful=False, int8=True) == ["stream.mjs (--stateful)", "index.html (--stateful)"]
    assert remove_unused(tmp_path, stateful=False, int8=False) == ["model_int8.onnx (--int8)"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


PAGE = """<!doctype html><meta charset="utf-8">
<script type="importmap">{"imports": {
"onnxruntime-web/wasm": "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
"@huggingface/tokenizers": "./node_modules/@huggingface/tokenizers/dist/tokenizers.mjs"}}</script>
<body><script type="module">
try {
  const { load } = await import("./onnx/classifier.mjs");
  const [classify, texts] = [await load("onnx"), await (await fetch("texts.json")).json()];
  const found = [];
  for (const text of texts) found.push(await classify(text));
  document.body.textContent = JSON.stringify(found);
} catch (error) { document.body.textContent = error.stack; }
</script>"""
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
NODE_MODULES = os.environ.get("NODE_MODULES")  # folder with onnxruntime-web and @huggingface/tokenizers


@pytest.mark.skipif(not (BROWSER and NODE_MODULES), reason="requires Chromium and NODE_MODULES")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "problem_type", "stateful"),
    [
        ("word", "single_label_classification", False),
        ("bpe", "single_label_classification", False),
        ("word", "multi_label_classification", False),
        ("word", "regression", False),
        ("word", "single_label_classification", True),
    ],
)
def test_exported_javascript_has_the_same_scores_in_a_browser(tmp_path, kind, problem_type, stateful):
    texts = [text for text in TEXTS[:5] if text.strip()]
    texts += ["x" * 100 + " " + "good" * 40, "### ## ﬁne … <BR/>so!!!!!", "DON’T [CLS]", "e\u0301 漢字"]
    tokenizer = train_tokenizer(texts * 2, kind, 300, show_progress=False)
    model = make_classifier(problem_type=problem_type, bidirectional=not stateful)
    export_onnx(model, tokenizer, tmp_path / "onnx", TEXTS, stateful=stateful)
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
    content = re.search(r"</script>\n?</head><body>(.*)</body>", page, re.DOTALL)[1]
    if stateful:
        assert "exported with --stateful" in content
        return
    expected = OnnxClassifier(tmp_path / "onnx")(texts, top_k=None)
    for row, expected_row in zip(json.loads(content), expected, strict=True):
        assert [entry["score"] for entry in row] == sorted((entry["score"] for entry in row), reverse=True)
        assert {entry["label"]: entry["score"] for entry in row} == pytest.approx(
            {entry["label"]: entry["score"] for entry in expected_row}, abs=1e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize(("missing", "name"), [("onnx", "export_onnx"), ("onnxruntime", "OnnxClassifier")])
def test_a_missing_library_names_the_extra_to_install(missing, name):
    code = f"import sys; sys.modules['{missing}'] = None; from hf_lstm.export import {name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "hf_lstm[onnx]"' in done.stderr.splitlines()[-1]


MODULES = {
    "onnxruntime-web/wasm": """
export class Tensor {}
const run = async () => ({ logits: { data: LOGITS } });
export const InferenceSession = { create: async () => ({ inputNames: ["input_ids", "attention_mask"], run }) };
""",
    "@huggingface/tokenizers": "export class Tokenizer { encode() { return { ids: [2, 5] }; } }",
}
SCRIPT = """
const rules = { normalizer: { normalizers: [{}, { pattern: {} }] }, model: {} };
const files = { "tokenizer.json": rules, "config.json": CONFIG };
globalThis.fetch = async (url) => {
  const ok = url.startsWith("folder/");
  return { ok, status: 404, statusText: "Not Found", json: async () => files[url.split("/").pop()] };
};
const { load } = await import("./classifier.mjs");
const error = await load("elsewhere").catch((error) => error.message);
console.log(JSON.stringify([await (await load("folder"))("a text"), error]));
"""


def run_javascript(folder: Path, config: LstmConfig, logits: list[float]) -> tuple[list[dict], str]:
    """Return the scores of a text with these logits, and the error of a folder that does not exist."""
    for name, code in MODULES.items():
        module = folder / "node_modules" / name
        module.mkdir(parents=True)
        (module / "index.mjs").write_text(code.replace("LOGITS", json.dumps(logits)))
    # Node.js finds a file in a package only by its name or its package.json.
    for package, entry in (
        ("onnxruntime-web", {"./wasm": "./wasm/index.mjs"}),
        ("@huggingface/tokenizers", "./index.mjs"),
    ):
        (folder / "node_modules" / package / "package.json").write_text(json.dumps({"exports": entry}))
    shutil.copy(ROOT / "hf_lstm" / "export" / "classifier.mjs", folder)
    (folder / "run.mjs").write_text(SCRIPT.replace("CONFIG", config.to_json_string(use_diff=False)))
    done = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, error = json.loads(done.stdout)
    return rows, error


@pytest.mark.skipif(shutil.which("node") is None, reason="requires Node.js")
@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_javascript_has_the_precision_of_the_model_and_names_a_missing_file(tiny_config, tmp_path, problem_type):
    config = tiny_config(problem_type=problem_type)
    rows, error = run_javascript(tmp_path, config, [20.0, -20.0])
    assert rows[0]["score"] == 1 and float(np.float32(rows[1]["score"])) == rows[1]["score"]
    assert error == "elsewhere/tokenizer.json was not found: 404 Not Found"


@pytest.mark.skipif(shutil.which("node") is None, reason="requires Node.js")
@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
@pytest.mark.parametrize("threshold", [0.5, [0.9, 0.5, 0.1], [0.1, 0.9, 0.1], [0.1, 1.0, 0.9]])
def test_javascript_marks_the_predicted_labels(tiny_config, tmp_path, problem_type, threshold):
    logits, names = np.array([[0.5, 1.5, -1.0]]), ["a", "b", "c"]
    config = tiny_config(
        problem_type=problem_type, threshold=threshold, id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    rows, _ = run_javascript(tmp_path, config, logits[0].tolist())
    assert [row["label"] for row in rows] == ["b", "a", "c"]
    expected = format_predictions(logits, config)[0].get("label", names)
    expected = [expected] if isinstance(expected, str) else expected or []
    assert [row["label"] for row in rows if row["predicted"]] == sorted(expected, key=[*"bac"].index)


def test_javascript_is_package_data():
    text = (ROOT / "pyproject.toml").read_text()
    assert all(f'"export/{name}"' in text for name in ("classifier.mjs", "stream.mjs", "index.html"))
