"""Read static models: a tokenizer and one vector for each of its tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoConfig
from transformers.utils import SAFE_WEIGHTS_NAME

from ..messages import one_line
from ..models import LstmConfig

# Names of the table in the files of model2vec and sentence-transformers. Those of this package are also used by models
# of other types.
STATIC_TABLES = ("embeddings", "embedding.weight")
OWN_TABLES = ("model.embed_tokens.weight", "embed_tokens.weight")


@dataclass(frozen=True)
class StaticModel:
    """
    A tokenizer and one vector for each of its tokens.

    Args:
        tokenizer: The tokenizer.
        table: `(rows, dimension)`, of any type: float, half precision or int8.
        mapping: `(tokens,)`, the row of each token; by default token i has row i.
        weights: `(tokens,)`, factor of the vector of each token; 1 by default.
    """

    tokenizer: Tokenizer
    table: torch.Tensor
    mapping: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def embed(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """
        Return the mean vector of each sequence of token ids.

        Args:
            sequences: Token ids. An empty sequence has the vector zero.

        Returns:
            `(sequences, dimension)`, float32.
        """
        lengths = torch.tensor([len(sequence) for sequence in sequences])  # (sequences,)
        ids = torch.tensor([token for sequence in sequences for token in sequence], dtype=torch.long)  # (ids,)
        rows = self.table[ids if self.mapping is None else self.mapping[ids].long()].float()  # (ids, dimension)
        if self.weights is not None:
            rows = rows * self.weights[ids].float()[:, None]
        owners = torch.repeat_interleave(torch.arange(len(sequences)), lengths)  # (ids,)
        sums = torch.zeros(len(sequences), self.table.shape[1]).index_add_(0, owners, rows)  # (sequences, dimension)
        return (sums / lengths.clamp(min=1)[:, None]).numpy()


def load_static_model(folder: Path) -> StaticModel | None:
    """
    Load a static model of model2vec or sentence-transformers, or the embeddings of a model of this package.

    Args:
        folder: Its folder. sentence-transformers may save the model in a subfolder such as `0_StaticEmbedding`.

    Returns:
        The model, or `None` if the folder has another kind of model.

    Raises:
        ValueError: A file is damaged, or the table has fewer rows than the tokenizer has tokens.
    """
    parts = sorted(folder.glob("*/")) if (folder / "modules.json").is_file() else []
    for place in (folder, *parts):
        weights, vocabulary = place / SAFE_WEIGHTS_NAME, place / "tokenizer.json"
        if not (weights.is_file() and vocabulary.is_file()):
            continue
        try:
            tensors = _read_tensors(weights, OWN_TABLES if _is_own(place) else STATIC_TABLES)
            if tensors is None:
                continue
            tokenizer = Tokenizer.from_file(str(vocabulary))
        except Exception as error:  # tokenizers raises plain exceptions
            raise ValueError(f"The model in {place} is damaged ({one_line(error)}).") from None
        model = StaticModel(tokenizer, *tensors)
        rows = len(model.table if model.mapping is None else model.mapping)
        if rows < max(tokenizer.get_vocab().values(), default=-1) + 1:
            raise ValueError(
                f"The tokenizer in {place} has {tokenizer.get_vocab_size():,} tokens, but there are only {rows:,} "
                "vectors; they do not belong together."
            )
        return model
    return None


def _is_own(folder: Path) -> bool:
    """Return whether a folder has a model of this package."""
    if not (folder / "config.json").is_file():
        return False
    try:
        return AutoConfig.from_pretrained(folder).model_type == LstmConfig.model_type
    except ValueError:  # the model type of model2vec is unknown to transformers
        return False


def _read_tensors(path: Path, names: Sequence[str]) -> tuple[torch.Tensor, ...] | None:
    """Return the table, the mapping and the weights in a file; `None` if it has none of these tables."""
    with safe_open(path, framework="pt") as file:
        present = set(file.keys())
        table = next((name for name in names if name in present), None)
        if table is None:
            return None
        others = ("mapping", "weights")
        return (file.get_tensor(table), *(file.get_tensor(name) if name in present else None for name in others))
