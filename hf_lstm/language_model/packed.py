"""A whole corpus as token ids in one small file that needs neither `datasets` nor a network."""

import json
import lzma
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from .tokenized import TokenTexts

SPLITS = ("train", "validation", "unsupervised", "test")

# Label of a text without one.
NO_LABEL = -1

# The two bytes of a token id have statistics of their own (lp, pb), and the whole corpus is searched for repetitions.
# For word ids this is 15 % smaller than deflate.
XZ_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 2**26, "lc": 3, "lp": 1, "pb": 1}]


@dataclass(frozen=True)
class PackedCorpus:
    """
    A tokenised corpus with one label per text.

    Args:
        texts: The token ids of all texts.
        splits: `(texts,)`, index in `SPLITS`.
        rows: `(texts,)`, row of the text in its split of the original corpus; validation texts are rows of `train`.
        labels: `(texts,)`, label id, or `NO_LABEL`.
        shared: `(texts,)`, true for texts of `train` and `unsupervised` that also occur in validation or test. They are
            not learned from.
        label_names: Name of each label id.
        tokenizer_files: Content of each file of the saved tokenizer.
        name: Name of the original corpus.
    """

    texts: TokenTexts
    splits: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    shared: np.ndarray
    label_names: tuple[str, ...]
    tokenizer_files: dict[str, str]
    name: str

    def indices(self, split: str, learned_only: bool = False) -> np.ndarray:
        """Return the indices of the texts of a split; `learned_only` drops those that validation or test have."""
        of_split = self.splits == SPLITS.index(split)
        return np.flatnonzero(of_split & ~self.shared if learned_only else of_split)

    def language_model_texts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the texts that a language model learns from and is validated on."""
        learned = [self.indices(split, learned_only=True) for split in ("train", "unsupervised")]
        return np.concatenate(learned), self.indices("validation")

    def tokenizer(self) -> PreTrainedTokenizerFast:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.tokenizer_files.items():
                (Path(folder) / name).write_text(content, encoding="utf-8")
            return PreTrainedTokenizerFast.from_pretrained(folder)

    def write(self, path: str | os.PathLike) -> int:
        """
        Write the corpus as an npz file, completely or not at all.

        Returns:
            Size of the file in bytes.

        Raises:
            ValueError: A token id does not fit into 16 bits, or the texts do not start with the same token.
        """
        if self.texts.tokens.max(initial=0) >= 2**16:
            raise ValueError("A packed corpus holds token ids below 65,536: use a smaller vocab_size.")
        # The first token of every text is the same; it is not stored.
        starts = self.texts.ends - self.texts.lengths
        first = self.texts.tokens[starts]
        if (self.texts.lengths < 1).any() or (first != first[0]).any():
            raise ValueError("Not all texts start with the same token: the tokenizer has to put one before each text.")
        tokens = np.delete(self.texts.tokens, starts)
        compressed = lzma.compress(tokens.astype(">u2").tobytes(), filters=XZ_FILTERS)
        about = {
            "label_names": self.label_names,
            "tokenizer_files": self.tokenizer_files,
            "name": self.name,
            "first_token": int(first[0]),
        }
        widest = np.uint16 if self.texts.lengths.max() < 2**16 else np.uint32
        partial = Path(f"{path}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            np.savez_compressed(
                file,
                tokens_xz=np.frombuffer(compressed, np.uint8),
                lengths=self.texts.lengths.astype(widest),
                splits=self.splits.astype(np.uint8),
                row_steps=np.diff(self.rows.astype(np.int32), prepend=np.int32(0)),  # mostly 1
                labels=self.labels.astype(np.int16),
                shared=self.shared.astype(bool),
                about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            )
        os.replace(partial, path)
        return Path(path).stat().st_size

    @classmethod
    def read(cls, path: str | os.PathLike) -> "PackedCorpus":
        """
        Read a file that [`PackedCorpus.write`] wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not a packed corpus.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no packed corpus {path}; `hf-lstm reproduce pack` writes one.")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                tokens = np.frombuffer(lzma.decompress(arrays["tokens_xz"].tobytes()), ">u2").astype(np.uint16)
                about = json.loads(arrays["about"].tobytes())
                columns = {name: arrays[name] for name in ("splits", "labels", "shared")}
                columns["rows"] = np.cumsum(arrays["row_steps"])
                lengths = arrays["lengths"].astype(np.int64)
                others = lengths - 1  # without the first token
                tokens = np.insert(tokens, np.cumsum(others) - others, about.pop("first_token"))
                texts = TokenTexts(tokens, lengths)
        except (KeyError, ValueError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not a packed corpus: {error}.") from error
        return cls(texts, **columns, **about | {"label_names": tuple(about["label_names"])})
