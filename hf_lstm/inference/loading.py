"""Load saved classifiers and tokenizers, with clear errors for damaged or unsuitable ones."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from huggingface_hub import is_offline_mode
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerFast

from ..messages import one_line
from ..models import LstmConfig, LstmForSequenceClassification
from .prediction import predict_texts

# Computes the logits `(texts, num_labels)` of texts.
Scorer: TypeAlias = Callable[[list[str]], np.ndarray]


@contextmanager
def loading_errors(source: str) -> Iterator[None]:
    """Replace errors of transformers by one sentence that says what to do.

    These are the error about code in a repository, which `trust_remote_code=False` causes, and those about a model
    that is not a folder, and that the Hub does not have or that cannot be downloaded.

    Args:
        source: Folder or Hub id.
    """
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ValueError(
            f"{source} needs model code of its own repository, which is not run by default. Read that code, and if "
            "you trust it, add `--trust_remote_code`."
        ) from None
    except OSError as error:
        if os.path.isdir(source):
            raise
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        if is_offline_mode():
            reason = "HF_HUB_OFFLINE is set, and there is no earlier download"
        raise OSError(
            f"There is no folder {source}, and it cannot be loaded from the Hub ({reason}): check the name and the "
            "network."
        ) from None


def load_any_config(source: str | Path, trust_remote_code: bool = False) -> PreTrainedConfig:
    """Load the config of any model.

    Args:
        source: Folder or Hub id.
        trust_remote_code: Run the code of a repository that has its own config class.

    Raises:
        ValueError: The config is of an unknown kind, or needs code that was not trusted.
        OSError: There is no such folder or Hub id, or the Hub cannot be reached.
    """
    source = os.path.expanduser(str(source))
    path = Path(source)
    # "runs/name" is also a valid Hub id, but if there is a folder "runs" the user means a local path.
    local = source.startswith((".", "/")) or (path.parent != Path(".") and path.parent.is_dir())
    if local and not path.is_dir():
        raise FileNotFoundError(f"There is no folder {source}.")
    if path.is_dir() and not (path / "config.json").is_file():
        raise FileNotFoundError(f"The folder {source} has no config.json, so it is not a saved model.")
    with loading_errors(source):
        return AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code)


def load_config(source: str | Path) -> LstmConfig:
    """Load the config of a model of this package.

    Args:
        source: Folder or Hub id.

    Raises:
        ValueError: It is the config of another kind of model.
        OSError: There is no such folder or Hub id, or the Hub cannot be reached.
    """
    config = load_any_config(source)
    if config.model_type != LstmConfig.model_type:
        raise ValueError(f"{source} is a {config.model_type!r} model, not a model of hf_lstm.")
    return cast(LstmConfig, config)


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a saved model, or a tokenizer that was saved alone.

    Args:
        source: Folder or Hub id.

    Raises:
        ValueError: There is no tokenizer, it is damaged, or it is not a fast tokenizer.
    """
    source = os.path.expanduser(str(source))
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:  # transformers raises many types of errors
        raise ValueError(f"The tokenizer of {source} is damaged or missing ({one_line(error)}).") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError(f"The tokenizer of {source} is a {type(tokenizer).__name__}, not a fast tokenizer.")
    return tokenizer


def load_model_and_tokenizer(source: str | Path) -> tuple[LstmForSequenceClassification, PreTrainedTokenizerFast]:
    """Load a trained classifier and its tokenizer, and check that they can be used together.

    Args:
        source: Folder or Hub id.

    Returns:
        The model in evaluation mode, and the tokenizer.

    Raises:
        ValueError: It is not a classifier of this package, is damaged, has no trained head, or its tokenizer has more
            tokens than the model.
        OSError: There is no such folder or Hub id, or the Hub cannot be reached.
    """
    source = os.path.expanduser(str(source))
    config, tokenizer = load_config(source), load_tokenizer(source)
    try:
        # The annotation of the library does not know the pair that `output_loading_info` returns.
        loaded: Any = LstmForSequenceClassification.from_pretrained(
            source, use_safetensors=True, output_loading_info=True
        )
        model, loading = loaded
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"The weights of {source} are damaged or do not match its config ({one_line(error)})."
        ) from None
    if loading["missing_keys"]:
        raise ValueError(f"{source} lacks {', '.join(sorted(loading['missing_keys']))}; fine-tune it first.")
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise ValueError(f"The weights of {source} are damaged: some values are not finite.")
    if len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"The tokenizer of {source} has {len(tokenizer):,} tokens, but its model has embeddings for only "
            f"{config.vocab_size:,}; they do not belong together."
        )
    return model.eval(), tokenizer


def fastest_device() -> torch.device:
    """Return the accelerator, such as a GPU, if there is one, and the CPU otherwise."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def load_scorer(source: str) -> tuple[Scorer, LstmConfig]:
    """Load a classifier to the fastest device, and return the function that scores texts with it and its config.

    Args:
        source: Folder or Hub id.

    Raises:
        ValueError, OSError: As in [`load_model_and_tokenizer`].
    """
    model, tokenizer = load_model_and_tokenizer(source)
    model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    return partial(predict_texts, model, tokenizer), model.config
