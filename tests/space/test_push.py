"""Assemble Spaces, run them, and push them to a local Hub server."""

import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

pytest.importorskip("gradio", reason="Gradio is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from gradio_client import Client
from helpers import ROOT, TEXTS, make_classifier
from hub_server import WRITE_TOKEN, running_hub
from huggingface_hub import SpaceCard

from hf_lstm.demo.readers import load_reader
from hf_lstm.export.onnx_export import export_onnx
from hf_lstm.space import push
from hf_lstm.space.push import assemble_space

CODE = {"app.py", "interface.py", "live_text.py", "rendering.py", "words.py", "run_onnx.py", "boundaries.py"}
FILES = {"README.md", "config.json", "model.onnx", "requirements.txt", "tokenizer.json"} | CODE


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A classifier that reads forward, and its export."""
    path, model = tmp_path_factory.mktemp("runs") / "tiny", make_classifier(bidirectional=False)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    export_onnx(model, tokenizer, path / "onnx", TEXTS, stateful=True)
    return path


@pytest.mark.slow
def test_space_has_the_runner_and_pinned_versions(folder, tmp_path):
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    sizes = assemble_space(str(folder), "owner/my-space", tmp_path)
    assert set(sizes) >= FILES and sizes["model.onnx"] == (folder / "onnx" / "model.onnx").stat().st_size
    data = SpaceCard.load(tmp_path / "README.md").data
    assert (data.title, data.sdk, data.sdk_version) == ("my-space", "gradio", version("gradio"))
    assert (data.app_file, data.license) == ("app.py", "mit") and (tmp_path / data.app_file).is_file()
    requirements = (tmp_path / "requirements.txt").read_text().split()
    assert requirements == [f"{name}=={version(name)}" for name in ("numpy", "onnxruntime", "tokenizers")]


@pytest.mark.slow
def test_space_answers_like_the_model(folder, tmp_path):
    assemble_space(str(folder), "owner/my-space", tmp_path)
    env = os.environ | {
        "SPACE_ID": "owner/my-space",
        "PYTHONPATH": "",
        "HF_HUB_OFFLINE": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-u", "app.py"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline, output = time.monotonic() + 120, ""
        while not (found := re.search(r"http://\S+", output)) and time.monotonic() < deadline:
            output += process.stdout.readline()
        client = Client(found[0], verbose=False)
        text = "A film, don't you think?!"
        panel = client.predict(text, fn_index=next(iter(client.endpoints)))[0]
    finally:
        process.kill()
        process.wait()
    scores = load_reader(folder).predict([text])[0].scores
    assert "owner/my-space" in panel and all(f"{score:.4f}" in panel for score in scores.values())


def test_space_has_no_other_files_of_the_export_and_needs_its_scores(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(push, "_score_difference", lambda *args: 0.0)
    (folder / "onnx" / "private_notes.py").write_text("KEY = 1")
    try:
        sizes = assemble_space(str(folder), "owner/my-space", tmp_path)
    finally:
        (folder / "onnx" / "private_notes.py").unlink()
    assert set(sizes) >= FILES and "private_notes.py" not in sizes
    monkeypatch.setattr(push, "_score_difference", lambda *args: float("nan"))
    with pytest.raises(ValueError, match="differ from those of the model by nan"):
        assemble_space(str(folder), "owner/my-space", tmp_path)


def test_missing_and_outdated_exports_name_the_command(folder, tokenizer, tmp_path):
    absent = tmp_path / "absent"
    with pytest.raises(FileNotFoundError, match=f"There is no folder {absent}"):
        assemble_space(str(absent), "owner/name", tmp_path)
    path, model = tmp_path / "model", make_classifier(bidirectional=False)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    command = re.escape(f"run `hf-lstm export {path} --stateful`")
    with pytest.raises(FileNotFoundError, match=f"has no export for the Space: {command}"):
        assemble_space(str(path), "owner/name", tmp_path)
    export_onnx(model, tokenizer, path / "onnx", TEXTS)
    with pytest.raises(ValueError, match=f"was exported without --stateful: {command}"):
        assemble_space(str(path), "owner/name", tmp_path)
    model.classifier.weight.data *= 2
    export_onnx(model, tokenizer, path / "onnx", TEXTS, stateful=True)
    (tmp_path / "space").mkdir()
    with pytest.raises(ValueError, match=f"differ from those of the model by .*: {command}"):
        assemble_space(str(path), "owner/name", tmp_path / "space")


PUSH_AND_PRINT_ERRORS = """
import sys
from hf_lstm.space import push_space
try:
    print("pushed", push_space(sys.argv[1], sys.argv[2], token=sys.argv[3]))
except (ValueError, OSError) as error:
    print(error)
"""


@pytest.mark.slow
def test_space_is_pushed_in_one_commit_and_verified(folder, tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with running_hub() as hub:
        env |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}

        def push(name: str, token: str) -> str:
            command = [sys.executable, "-c", PUSH_AND_PRINT_ERRORS, str(folder), name, token]
            done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, timeout=300)
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert push("tiny", WRITE_TOKEN) == "pushed tester/tiny\n"
        assert set(hub.repositories["spaces/tester/tiny"]) >= FILES and hub.commits == 1
        assert json.loads(hub.repositories["spaces/tester/tiny"]["config.json"])["model_type"]
        hub.damages_downloads = True
        assert push("tester/tiny", WRITE_TOKEN).startswith("tester/tiny was pushed, but")
        hub.damages_downloads = False
        assert "The Hub rejects the token" in push("tester/other", "hf_wrong")
        assert "spaces/tester/other" not in hub.repositories
