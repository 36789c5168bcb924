"""Assemble the Hub repository of a trained classifier, push it, and verify the uploaded files."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import HfApi, ModelCard, get_token, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError, of its HTTP client, is not declared
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
from safetensors.torch import load_file
from transformers.utils import SAFE_WEIGHTS_NAME

from ..inference import load_model_and_tokenizer, predict_texts
from ..messages import one_line
from . import handler
from .model_card import EXAMPLE_TEXT, TRAINING_RECORDS, build_card

# Texts whose logits are compared before and after a push: empty, long, several scripts.
PROBE_TEXTS = ("", "Not bad at all, although it began badly.", "Ça va — 中文, العربية, हिन्दी, 🙂‍↔️", "word " * 3000)

# Metadata of a card that is shown before a push.
MODEL_FIELDS = ("license", "language", "datasets", "metrics")
SPACE_FIELDS = ("license", "title", "sdk", "sdk_version", "python_version", "app_file")

# Largest absolute and relative difference between logits of the same weights with different batches.
LOGIT_TOLERANCE = 1e-5

HALF_LOGIT_TOLERANCE = 1e-2

_HOW_TO_LOG_IN = "run `hf auth login`, or set HF_TOKEN to a token with write access"

# Runs in a process that does not import this package, so that the downloaded code computes the logits, in the way of
# Inference Endpoints: the handler creates a pipeline, which loads the model and the tokenizer.
_SCORE_REMOTELY = """
import json, sys
folder, texts = sys.argv[1], json.load(sys.stdin)
sys.path.insert(0, folder)
from handler import EndpointHandler

handler = EndpointHandler(folder)
rows = handler({"inputs": texts, "parameters": {"top_k": None, "function_to_apply": "none"}})
labels = handler.classify.model.config.label2id
assert "hf_lstm" not in sys.modules
json.dump([[logit for _, logit in sorted((labels[x["label"]], x["score"]) for x in row)] for row in rows], sys.stdout)
"""


def assemble_repository(folder: str, repo_id: str, destination: str | Path) -> dict[str, int]:
    """
    Write the files of the Hub repository of a classifier.

    Args:
        folder: Folder of a saved classifier. Its `README.md` becomes the model card; without one, a card is built.
        repo_id: Id of the repository, for the usage example of the card.
        destination: Empty folder to write to.

    Returns:
        Size in bytes of each file.

    Raises:
        ValueError: If the repository id is invalid or the classifier is incomplete.
        OSError: If the folder does not exist.
    """
    check_repo_id(repo_id)
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    model, tokenizer = load_model_and_tokenizer(folder)
    destination = Path(destination)
    # The weights keep the precision in which they were saved, which can be half precision.
    model.save_pretrained(destination, state_dict=load_file(Path(folder) / SAFE_WEIGHTS_NAME))
    tokenizer.save_pretrained(destination)
    for name in TRAINING_RECORDS:
        if (Path(folder) / name).is_file():
            shutil.copyfile(Path(folder) / name, destination / name)
    shutil.copyfile(handler.__file__, destination / "handler.py")
    card = destination / "README.md"
    if not card.is_file():
        build_card(model.config, repo_id).save(card)
    locate_card(card, repo_id)
    add_widget(card)
    return {path.name: path.stat().st_size for path in sorted(destination.iterdir())}


def check_repo_id(repo_id: str) -> None:
    """Raise a `ValueError` if the repository id is invalid."""
    with _hub_errors(repo_id):
        validate_repo_id(repo_id)


def locate_card(card: Path, repo_id: str) -> None:
    """Make the usage example of a card load the repository, and remove links to files outside the folder."""
    text = card.read_text(encoding="utf-8")
    text = re.sub(r'(pipeline\("text-classification", model=)"[^"]*"', rf'\g<1>"{repo_id}"', text)
    text = re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", text)
    card.write_text(text, encoding="utf-8")


def add_widget(card: Path) -> None:
    """Add an example for the widget of the Hub to the metadata of a card, unless it has one."""
    content = ModelCard.load(card)
    if content.data.get("widget") is None:
        content.data["widget"] = [{"text": EXAMPLE_TEXT}]
        content.save(card)


def card_metadata(folder: str | Path) -> dict[str, str]:
    """
    Return the metadata of the card in a folder that `hf-lstm push` shows, as text; `"not given"` if missing.

    Args:
        folder: Folder of a model, or of a Space, whose card names its `sdk`.
    """
    data = ModelCard.load(Path(folder) / "README.md").data
    fields = {name: getattr(data, name, None) for name in (SPACE_FIELDS if data.get("sdk") else MODEL_FIELDS)}
    return {
        name: (", ".join(value) if isinstance(value, list) else str(value)) if value else "not given"
        for name, value in fields.items()
    }


def check_push(repo_id: str, token: str | None = None) -> None:
    """
    Check the repository id and the token, for example before a training that ends with a push.

    Args:
        repo_id: See [`push_repository`].
        token: See [`push_repository`].

    Raises:
        ValueError: If the repository id is invalid or there is no token.
    """
    check_repo_id(repo_id)
    if not (token or get_token()):
        raise ValueError(f"There is no Hugging Face token: {_HOW_TO_LOG_IN}.")


def push_repository(folder: str, repo_id: str, private: bool = False, token: str | None = None) -> str:
    """
    Push a classifier to the Hub in one commit, then download it and compare its logits.

    Args:
        folder: Folder of a saved classifier.
        repo_id: `owner/name`, or `name` for a repository of the owner of the token.
        private: Whether to make the repository private if it is created by this call.
        token: Token with write access; by default `HF_TOKEN` or the token of `hf auth login`.

    Returns:
        Id of the repository, with its owner.

    Raises:
        ValueError: If the folder, the repository id or the token is invalid, or the downloaded model gives different
            logits.
        ConnectionError: If the Hub cannot be reached.
    """
    check_push(repo_id, token)
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as assembled:
        assemble_repository(folder, repo_id, assembled)
        with created_repository(api, repo_id, private) as repo_id:
            locate_card(Path(assembled) / "README.md", repo_id)  # the id now includes the owner
            api.upload_folder(repo_id=repo_id, folder_path=assembled, commit_message="Upload classifier")
        verify_repository(assembled, repo_id, token)
    return repo_id


@contextmanager
def created_repository(api: HfApi, repo_id: str, private: bool, repo_type: str = "model") -> Iterator[str]:
    """
    Create a repository, unless it exists, and convert the errors of the upload within the context.

    Args:
        api: Client with the token.
        repo_id: See [`push_repository`].
        private: Whether to make a new repository private.
        repo_type: `"model"`, or `"space"` for a Space with Gradio.

    Yields:
        Id of the repository, with its owner. After an error, a repository that this call created is deleted.

    Raises:
        ValueError: The Hub rejects the repository id or the token.
        ConnectionError: The Hub cannot be reached.
    """
    with _hub_errors(repo_id):
        repo_id, is_new = _create_repository(api, repo_id, private, repo_type)
    try:
        with _hub_errors(repo_id):
            yield repo_id
    except BaseException:
        if is_new:
            with suppress(Exception):
                api.delete_repo(repo_id, repo_type=repo_type)  # do not leave an empty repository
        raise


def _create_repository(api: HfApi, repo_id: str, private: bool, repo_type: str) -> tuple[str, bool]:
    """Return the id of the repository with its owner, and whether this call created it."""
    sdk = "gradio" if repo_type == "space" else None
    try:
        return api.create_repo(repo_id, private=private, repo_type=repo_type, space_sdk=sdk).repo_id, True
    except HfHubHTTPError as error:
        if error.response.status_code != 409:  # 409: it already exists
            raise
    repository = api.create_repo(repo_id, private=private, repo_type=repo_type, space_sdk=sdk, exist_ok=True)
    return repository.repo_id, False


@contextmanager
def downloaded_repository(repo_id: str, token: str | None, repo_type: str = "model") -> Iterator[str]:
    """
    Download a repository that was pushed into a temporary folder, not into the cache.

    Args:
        repo_id: Id of the repository.
        token: See [`push_repository`].
        repo_type: `"model"` or `"space"`.

    Yields:
        The folder of the files.

    Raises:
        ConnectionError: The repository cannot be downloaded.
    """
    with tempfile.TemporaryDirectory() as cache:
        try:
            downloaded = snapshot_download(repo_id, cache_dir=cache, token=token, repo_type=repo_type)
        except (HTTPError, OSError) as error:
            raise ConnectionError(f"{repo_id} was pushed, but cannot be downloaded ({one_line(error)}).") from None
        yield downloaded


def verify_repository(folder: str, repo_id: str, token: str | None = None) -> None:
    """
    Download a repository and compare the logits of its own code with those of a local folder.

    Args:
        folder: Folder that was pushed.
        repo_id: Id of the repository.
        token: See [`push_repository`].

    Raises:
        ValueError: If the downloaded model cannot be loaded without this package, or gives different logits.
        ConnectionError: If the repository cannot be downloaded.
    """
    model, tokenizer = load_model_and_tokenizer(folder)
    expected = predict_texts(model, tokenizer, PROBE_TEXTS)
    failure = f"{repo_id} was pushed, but the downloaded model cannot be loaded"
    with downloaded_repository(repo_id, token) as downloaded, tempfile.TemporaryDirectory() as modules:
        logits = score_probe_texts(_SCORE_REMOTELY, downloaded, failure, HF_MODULES_CACHE=modules)
    tolerance = LOGIT_TOLERANCE if model.dtype == torch.float32 else HALF_LOGIT_TOLERANCE
    if not np.allclose(logits, expected, rtol=tolerance, atol=tolerance):
        difference = np.abs(logits - expected).max()
        raise ValueError(f"{repo_id} was pushed, but the logits of the downloaded model differ by {difference:.1e}.")


def score_probe_texts(program: str, folder: str | Path, failure: str, **variables: str) -> np.ndarray:
    """
    Score [`PROBE_TEXTS`] with the files of a repository, in a process that need not import this package.

    Args:
        program: Python code. Its argument is the folder. It reads the texts, and writes the scores, as JSON.
        folder: Folder of the repository.
        failure: Start of the error message if the program fails.
        variables: Environment variables to set.

    Returns:
        The scores, `(texts, num_labels)`.

    Raises:
        ValueError: The program fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        input=json.dumps(PROBE_TEXTS),
        capture_output=True,
        text=True,
        env=os.environ | variables,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no error message"])[-1]
        raise ValueError(f"{failure} ({one_line(reason)}).")
    return np.array(json.loads(done.stdout))


@contextmanager
def _hub_errors(repo_id: str) -> Iterator[None]:
    """Convert errors of the Hub client to a `ValueError` or `ConnectionError` with one sentence."""
    try:
        yield
    except HFValidationError as error:
        raise ValueError(f"{repo_id!r} is not a valid repository id: {one_line(error)}.") from None
    except OfflineModeIsEnabled:
        raise ConnectionError("HF_HUB_OFFLINE is set, so nothing was uploaded. Unset it to push.") from None
    except HfHubHTTPError as error:
        raise ValueError(_status_message(error, repo_id)) from None
    except HTTPError as error:
        raise ConnectionError(
            f"The Hugging Face Hub ({HfApi().endpoint}) cannot be reached ({one_line(error)}). Try again later."
        ) from None
    except RuntimeError as error:  # the client raises it for any error while uploading large files
        raise ConnectionError(f"The upload to {repo_id} failed ({one_line(error)}). Nothing was committed.") from None


def _status_message(error: HfHubHTTPError, repo_id: str) -> str:
    """Return one sentence with the reason of an HTTP error and what to do."""
    status = error.response.status_code
    reason = one_line(error.server_message or error)
    if status == 401:
        return f"The Hub rejects the token ({reason}): {_HOW_TO_LOG_IN}."
    if status == 403:
        return f"The token has no write access to {repo_id} ({reason}): use another token or another repository id."
    if status < 500:
        return f"The Hub rejects {repo_id} ({reason})."
    return f"The Hub failed ({status}: {reason}) and nothing was committed. Try again later."
