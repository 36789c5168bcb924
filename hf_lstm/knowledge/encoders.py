"""Vectors of texts from a sentence encoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..inference import fastest_device, loading_errors
from ..language_model import cpu_has_bf16
from ..messages import show_progress


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device multiplies matrices of it in hardware, otherwise single precision."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bf16() else torch.float32


def load_encoder(source: str, trust_remote_code: bool = False) -> Any:
    """
    Load a sentence encoder on the fastest device, in bfloat16 where that is fast.

    Args:
        source: Folder or Hub id of a model of sentence-transformers, or of any encoder, whose outputs are averaged.
        trust_remote_code: Run the code of a repository that has its own model class.

    Returns:
        A `SentenceTransformer`.

    Raises:
        ImportError: The package sentence-transformers is not installed.
        ValueError: The encoder needs code of its repository that was not trusted.
        OSError: There is no such folder or Hub id, or the Hub cannot be reached.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ImportError(
            'A sentence encoder requires sentence-transformers: pip install "hf_lstm[encoders]"'
        ) from None
    device = fastest_device()
    with loading_errors(source):
        return SentenceTransformer(
            source,
            device=str(device),
            trust_remote_code=trust_remote_code,
            model_kwargs={"dtype": fast_dtype(device)},
        )


def embed_texts(encoder: Any, texts: Sequence[str]) -> np.ndarray:
    """
    Compute one vector per text.

    Args:
        encoder: From [`load_encoder`].
        texts: The texts; the encoder truncates them to its maximum length.

    Returns:
        `(texts, dimension)`, float32.
    """
    vectors = encoder.encode(list(texts), batch_size=128, show_progress_bar=show_progress(), convert_to_numpy=True)
    return np.asarray(vectors, dtype=np.float32)
