"""Load saved classifiers and their tokenizers, and refuse damaged or unsuitable ones."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

from ..messages import one_line
from ..models import LstmConfig, LstmForSequenceClassification


def load_config(source: str) -> LstmConfig:
    """
    Loads the config of a model of this package.

    Args:
        source: Folder or Hub id.

    Raises:
        ValueError: It is that of another kind of model.
        OSError: There is nothing there, or the Hub cannot be reached.
    """
    path = Path(source).expanduser()
    # "runs/name" could be a name on the Hub, but not where there is a folder "runs".
    local = source.startswith((".", "/", "~")) or (path.parent != Path(".") and path.parent.is_dir())
    if local and not path.is_dir():
        raise FileNotFoundError(f"There is no folder {source}.")
    if path.is_dir() and not (path / "config.json").is_file():
        raise FileNotFoundError(f"The folder {source} has no config.json: it is not a saved model.")
    config = AutoConfig.from_pretrained(source)
    if config.model_type != LstmConfig.model_type:
        raise ValueError(f"{source} is a {config.model_type!r} model, not one of hf_lstm.")
    return config


def load_tokenizer(source: str) -> PreTrainedTokenizerFast:
    """
    Loads the tokenizer of a saved model.

    Args:
        source: Folder or Hub id.

    Raises:
        ValueError: There is none, or it is damaged.
    """
    try:
        return AutoTokenizer.from_pretrained(source)
    except Exception as error:  # the library raises whatever it stumbles over
        raise ValueError(f"The tokenizer of {source} is damaged or missing ({one_line(error)}).") from None


def load_model_and_tokenizer(source: str) -> tuple[LstmForSequenceClassification, PreTrainedTokenizerFast]:
    """
    Loads a trained classifier and its tokenizer, and refuses what could only give nonsense.

    Args:
        source: Folder or Hub id.

    Returns:
        The model in evaluation mode, and the tokenizer.

    Raises:
        ValueError: It is not a classifier of this package, has no trained head, or does not fit its tokenizer.
        OSError: There is nothing there, or the Hub cannot be reached.
    """
    config, tokenizer = load_config(source), load_tokenizer(source)
    try:
        model, loading = LstmForSequenceClassification.from_pretrained(
            source, use_safetensors=True, output_loading_info=True
        )
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"The weights of {source} are damaged or do not fit its config ({one_line(error)}).") from None
    if loading["missing_keys"]:
        raise ValueError(f"{source} lacks {', '.join(sorted(loading['missing_keys']))}: fine-tune it first.")
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise ValueError(f"The weights of {source} are damaged: some are not finite.")
    if len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"The tokenizer of {source} has {len(tokenizer):,} tokens, but its model embeds {config.vocab_size:,}: "
            "they do not belong together."
        )
    return model.eval(), tokenizer


def fastest_device() -> torch.device:
    """The accelerator where there is one, else the processor."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
