"""Make a self-contained repository of a trained classifier, push it to the Hub, and verify it."""

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
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id
from safetensors.torch import load_file
from transformers.utils import SAFE_WEIGHTS_NAME

from ..inference import load_model_and_tokenizer, predict_texts
from ..messages import one_line
from .model_card import TRAINING_RECORDS, build_card

# Scored before and after: an empty text, scripts of all kinds, a long one.
PROBE_TEXTS = ("", "Not bad at all, although it began badly.", "Ça va — 中文, العربية, हिन्दी, 🙂‍↔️", "word " * 3000)

# Largest difference, absolute and relative, of logits from the same weights, in a batch or alone.
LOGIT_TOLERANCE = 1e-5

HALF_LOGIT_TOLERANCE = 1e-2

# Runs where this package is not imported, so that the code beside the weights is what computes.
_SCORE_REMOTELY = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder, texts = sys.argv[1], json.load(sys.stdin)
model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
with torch.inference_mode():
    logits = [model(**tokenizer(text, return_tensors="pt")).logits[0].tolist() for text in texts]
assert "hf_lstm" not in sys.modules
json.dump(logits, sys.stdout)
"""


def assemble_repository(folder: str, repo_id: str, destination: str | Path) -> dict[str, int]:
    """
    Writes all that a Hub repository of a classifier needs, and nothing else.

    Args:
        folder: A saved classifier; its `README.md`, where there is one, becomes the card.
        repo_id: Name of the repository, for the card's usage snippet.
        destination: Empty folder to write to.

    Returns:
        Size in bytes of each file.

    Raises:
        ValueError: The name is impossible, or the folder does not hold a whole classifier.
        OSError: There is no such folder.
    """
    _check_name(repo_id)
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    model, tokenizer = load_model_and_tokenizer(folder)
    destination = Path(destination)
    # As they are saved, which may be in half precision, and not as they are loaded.
    model.save_pretrained(destination, state_dict=load_file(Path(folder) / SAFE_WEIGHTS_NAME))
    tokenizer.save_pretrained(destination)
    for name in TRAINING_RECORDS:
        if (Path(folder) / name).is_file():
            shutil.copyfile(Path(folder) / name, destination / name)
    card = destination / "README.md"
    if not card.is_file():
        build_card(model.config, repo_id).save(card)
    locate_card(card, repo_id)
    return {path.name: path.stat().st_size for path in sorted(destination.iterdir())}


def _check_name(repo_id: str) -> None:
    with _hub_errors(repo_id):
        validate_repo_id(repo_id)


def locate_card(card: Path, repo_id: str) -> None:
    """Lets a card's usage snippet open the repository, and no longer the folder that the model was trained into."""
    text = card.read_text(encoding="utf-8")
    opened = r'(pipeline\("text-classification", model=)"[^"]*"'
    card.write_text(re.sub(opened, rf'\g<1>"{repo_id}"', text), encoding="utf-8")


def card_metadata(folder: str | Path) -> dict[str, str]:
    """What the card in a folder says in the fields that the Hub shows and filters by."""
    data = ModelCard.load(Path(folder) / "README.md").data
    fields = {name: getattr(data, name, None) for name in ("license", "language", "datasets", "metrics")}
    return {
        name: (", ".join(value) if isinstance(value, list) else value) if value else "not named"
        for name, value in fields.items()
    }


def check_push(repo_id: str, token: str | None = None) -> None:
    """
    Checks what can be known before anything is trained or sent.

    Args:
        repo_id: As in [`push_repository`].
        token: As in [`push_repository`].

    Raises:
        ValueError: The name is impossible, or there is no token.
    """
    _check_name(repo_id)
    if not (token or get_token()):
        raise ValueError("There is no Hugging Face token: run `hf auth login`, or set HF_TOKEN to one that may write.")


def push_repository(folder: str, repo_id: str, private: bool = False, token: str | None = None) -> str:
    """
    Pushes a classifier to the Hub in one commit, then downloads it and compares logits.

    Args:
        folder: A saved classifier.
        repo_id: `owner/name`, or `name` under the owner of the token.
        private: Whether a repository that this call makes is private.
        token: Token with write access; by default the one that was logged in with.

    Returns:
        Id of the repository.

    Raises:
        ValueError: The folder, the name, the token, or what came back is not right; one sentence says which.
        ConnectionError: The Hub cannot be reached.
    """
    check_push(repo_id, token)
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as assembled:
        assemble_repository(folder, repo_id, assembled)
        with _hub_errors(repo_id):
            repo_id, is_new = _create_repository(api, repo_id, private)
        locate_card(Path(assembled) / "README.md", repo_id)  # now with its owner
        try:
            with _hub_errors(repo_id):
                api.upload_folder(repo_id=repo_id, folder_path=assembled, commit_message="Upload classifier")
        except BaseException:
            if is_new:
                with suppress(Exception):
                    api.delete_repo(repo_id)  # it is empty
            raise
        verify_repository(assembled, repo_id, token)
    return repo_id


def _create_repository(api: HfApi, repo_id: str, private: bool) -> tuple[str, bool]:
    """Full name of the repository, and whether it was made just now."""
    try:
        return api.create_repo(repo_id, private=private).repo_id, True
    except HfHubHTTPError as error:
        if error.response.status_code != 409:  # there is one of that name
            raise
    return api.create_repo(repo_id, private=private, exist_ok=True).repo_id, False


def verify_repository(folder: str, repo_id: str, token: str | None = None) -> None:
    """
    Downloads a repository anew and lets its own code score a few texts.

    Args:
        folder: What was pushed.
        repo_id: Where.
        token: As in [`push_repository`].

    Raises:
        ValueError: What was downloaded does not load by itself, or gives other logits.
        ConnectionError: It cannot be downloaded.
    """
    model, tokenizer = load_model_and_tokenizer(folder)
    expected = predict_texts(model, tokenizer, PROBE_TEXTS)
    with tempfile.TemporaryDirectory() as fresh:
        try:
            downloaded = snapshot_download(repo_id, cache_dir=Path(fresh) / "hub", token=token)
        except (HTTPError, OSError) as error:
            raise ConnectionError(f"{repo_id} was pushed, but cannot be read back ({one_line(error)}).") from None
        scored = subprocess.run(
            [sys.executable, "-c", _SCORE_REMOTELY, downloaded],
            input=json.dumps(PROBE_TEXTS),
            capture_output=True,
            text=True,
            env=os.environ | {"HF_MODULES_CACHE": str(Path(fresh) / "modules")},
        )
    if scored.returncode:
        reason = (scored.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ValueError(f"{repo_id} was pushed, but what it holds does not load by itself ({one_line(reason)}).")
    logits = np.array(json.loads(scored.stdout))
    tolerance = LOGIT_TOLERANCE if model.dtype == torch.float32 else HALF_LOGIT_TOLERANCE
    if not np.allclose(logits, expected, rtol=tolerance, atol=tolerance):
        difference = np.abs(logits - expected).max()
        raise ValueError(f"{repo_id} was pushed, but what it holds gives logits that differ by {difference:.1e}.")


@contextmanager
def _hub_errors(repo_id: str) -> Iterator[None]:
    """Turns what can go wrong with the Hub into one sentence each."""
    try:
        yield
    except HFValidationError as error:
        raise ValueError(f"{repo_id!r} cannot be the name of a repository: {one_line(error)}") from None
    except OfflineModeIsEnabled:
        raise ConnectionError("HF_HUB_OFFLINE is set, so nothing was sent; unset it to push.") from None
    except HfHubHTTPError as error:
        raise ValueError(_refusal(error, repo_id)) from None
    except HTTPError as error:
        raise ConnectionError(
            f"The Hugging Face Hub ({HfApi().endpoint}) cannot be reached ({one_line(error)}); try again later."
        ) from None
    except RuntimeError as error:  # what an upload of large files makes of any error
        raise ConnectionError(f"The upload to {repo_id} failed ({one_line(error)}); nothing was committed.") from None


def _refusal(error: HfHubHTTPError, repo_id: str) -> str:
    """What the Hub's answer means for whoever pushes."""
    status = error.response.status_code
    said = one_line(error.server_message or error)
    if status == 401:
        return f"The Hub refuses the token ({said}): run `hf auth login`, or set HF_TOKEN to one that may write."
    if status == 403:
        return f"The token may not write to {repo_id} ({said}): use one with write access, or another name."
    if status < 500:
        return f"The Hub refuses {repo_id} ({said})."
    return f"The Hub failed ({status}: {said}): try again later; a commit is whole or not there."
