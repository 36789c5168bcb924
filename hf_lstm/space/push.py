"""Assemble the repository of a Space, push it, and verify the uploaded files."""

import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from shlex import quote

import numpy as np
from huggingface_hub import HfApi, SpaceCardData

from ..demo import PAGE_MODULES, load_reader
from ..export import RUNNER_FILES
from ..hub import (
    PROBE_TEXTS,
    card_metadata,
    check_push,
    check_repo_id,
    created_repository,
    downloaded_repository,
    score_probe_texts,
)
from . import app

# Modules of a Space. They are not copied from the export, which may be older, or contain other files of the user.
MODULES = (*(path for path in RUNNER_FILES if path.suffix == ".py"), *PAGE_MODULES, Path(app.__file__))

# Files of the export that a Space has copies of.
EXPORTED = ("config.json", "model.onnx", "tokenizer.json")

# Packages of a Space besides Gradio. Their versions are those of this process, which has run the Space.
PACKAGES = ("numpy", "onnxruntime", "tokenizers")

# Largest difference of a score between the model and its export.
TOLERANCE = 1e-4

README = """---
{metadata}
---

# {title}

Scores a text while it is typed, with a text classifier that was trained and exported to ONNX with `hf_lstm`.
"""

# Runs in a process that imports only the files of the Space, as the Hub does.
_RUN_APP = """
import json, sys
folder, texts = sys.argv[1], json.load(sys.stdin)
sys.path.insert(0, folder)
from app import OnnxReader, build_interface
from live_text import update_text

reader = OnnxReader("model", folder)
build_interface([reader])
scores = [list(update_text(reader, None, text).prediction.scores.values()) for text in texts]
assert not {"hf_lstm", "torch"} & sys.modules.keys()
json.dump(scores, sys.stdout)
"""


def assemble_space(folder: str, repo_id: str, destination: str | Path) -> dict[str, int]:
    """
    Write the files of a Space, run its program, and compare its scores with those of the model.

    Args:
        folder: Folder of a saved classifier that has an export in the folder `onnx`.
        repo_id: Id of the Space.
        destination: Empty folder to write to.

    Returns:
        Size in bytes of each file.

    Raises:
        ValueError: The repository id is invalid, or the export is not that of the model.
        OSError: There is no folder, or it has no export.
    """
    check_repo_id(repo_id)
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    export, destination = Path(folder) / "onnx", Path(destination)
    streams = load_reader(folder).streams
    command = f"`hf-lstm export {quote(folder)}{' --stateful' if streams else ''}`"
    if not (export / "model.onnx").is_file():
        raise FileNotFoundError(f"{folder} has no export for the Space: run {command}.")
    if app.OnnxReader(repo_id, export).streams != streams:
        raise ValueError(f"{export} was exported {'without' if streams else 'with'} --stateful: run {command}.")
    for path in (*MODULES, *(export / name for name in EXPORTED)):
        shutil.copyfile(path, destination / path.name)
    requirements = "".join(f"{name}=={version(name)}\n" for name in PACKAGES)
    (destination / "requirements.txt").write_text(requirements, encoding="utf-8")
    has_card = (Path(folder) / "README.md").is_file()
    license = card_metadata(folder)["license"] if has_card else "not given"
    title = repo_id.rpartition("/")[2]
    metadata = SpaceCardData(
        title=title,
        sdk="gradio",
        sdk_version=version("gradio"),
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        app_file="app.py",
        license=None if license == "not given" else license,
    )
    readme = README.format(metadata=metadata.to_yaml(), title=title)
    (destination / "README.md").write_text(readme, encoding="utf-8")
    difference = _score_difference(folder, destination, "The program of the Space does not run")
    if not difference <= TOLERANCE:  # written so that NaN fails
        raise ValueError(f"The scores of {export} differ from those of the model by {difference:.1e}: run {command}.")
    return {path.name: path.stat().st_size for path in sorted(destination.iterdir()) if path.is_file()}


def push_space(folder: str, repo_id: str, private: bool = False, token: str | None = None) -> str:
    """
    Push a Space for an exported classifier in one commit, then download it, run it, and compare its scores.

    Args:
        folder: See [`assemble_space`].
        repo_id: `owner/name`, or `name` for a Space of the owner of the token.
        private: Whether to make the Space private if it is created by this call.
        token: Token with write access; by default `HF_TOKEN` or the token of `hf auth login`.

    Returns:
        Id of the Space, with its owner.

    Raises:
        ValueError: The folder, the repository id or the token is invalid, or the downloaded program gives other scores.
        OSError: See [`assemble_space`].
        ConnectionError: The Hub cannot be reached.
    """
    check_push(repo_id, token)
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as assembled:
        assemble_space(folder, repo_id, assembled)
        with created_repository(api, repo_id, private, "space") as repo_id:
            api.upload_folder(
                repo_id=repo_id, folder_path=assembled, repo_type="space", commit_message="Upload classifier"
            )
    with downloaded_repository(repo_id, token, "space") as downloaded:
        difference = _score_difference(folder, downloaded, f"{repo_id} was pushed, but its program does not run")
    if not difference <= TOLERANCE:  # written so that NaN fails
        raise ValueError(f"{repo_id} was pushed, but the scores of the downloaded Space differ by {difference:.1e}.")
    return repo_id


def _score_difference(folder: str, space: str | Path, failure: str) -> float:
    """Return the largest difference between the scores of a model and those of the program of its Space."""
    expected = [list(prediction.scores.values()) for prediction in load_reader(folder).predict(list(PROBE_TEXTS))]
    return float(np.abs(score_probe_texts(_RUN_APP, space, failure) - expected).max())
