"""Find the kind of a source of word vectors: a text file, a static model, an encoder or a model of this package."""

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Container, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.constants import HF_HOME
from huggingface_hub.errors import HFValidationError
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from ..inference import fastest_device, load_tokenizer
from ..messages import one_line, progress_bar
from ..text import are_words
from .encoders import fast_dtype, load_encoder
from .static_models import load_static_model
from .vector_files import VectorFile

# Parts of a Hub repository that are needed, code that is downloaded only if it is trusted, and copies of the weights in
# other formats.
HUB_FILES = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model")
CODE_FILES = ("*.py",)
OTHER_FORMATS = ("onnx/*", "openvino/*")

# Suffixes of local files of vectors; other names without a folder are those of the Hub.
FILE_SUFFIXES = (".txt", ".vec", ".gz", ".bz2", ".xz", ".zst", ".zip")

# Sequences of tokens in a batch of an encoder. Nearly all of them have fewer than ten tokens.
BATCH_SEQUENCES = 256

# The mark of a subword that continues a word, in a WordPiece vocabulary.
CONTINUES = "##"


class SubwordVectors:
    """
    Vectors of words and subwords, from a tokenizer and a model of its tokens.

    Args:
        tokenizer: The tokenizer of the source.
        embed: Computes the vectors of sequences of token ids, `(sequences, dimension)`.
    """

    def __init__(self, tokenizer: Tokenizer, embed: Callable[[Sequence[Sequence[int]]], np.ndarray]):
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self._embed = embed
        model = json.loads(self.tokenizer.to_str())["model"]
        self.is_wordpiece = model["type"] == "WordPiece" and model["continuing_subword_prefix"] == CONTINUES
        added = self.tokenizer.get_added_tokens_decoder()
        self._not_words = {token for token, content in added.items() if content.special} | {model.get("unk_id")}
        self._not_words.add(self.tokenizer.token_to_id(model.get("unk_token") or ""))
        self._ids = self.tokenizer.get_vocab(with_added_tokens=True)

    @cached_property
    def entries(self) -> list[str]:
        """The tokens in the order of their ids, without special tokens."""
        ordered = sorted(self._ids, key=self._ids.__getitem__)
        return [token for token in ordered if self._ids[token] not in self._not_words]

    def read(self, wanted: Container[str], others: int, lowercase: bool) -> tuple[list[str], int]:
        """
        Find the whole words among the tokens.

        Args:
            wanted: Words that are returned wherever they are in the vocabulary.
            others: Number of other words that are returned, the first ones of the vocabulary.
            lowercase: Whether texts are converted to lower case.

        Returns:
            These words in the order of their ids, and how many tokens no text can produce as a word.
        """
        ids = [self._ids[entry] for entry in self.entries]
        texts = [text.strip() for text in self.tokenizer.decode_batch([[i] for i in ids], skip_special_tokens=False)]
        possible = are_words(texts, lowercase)
        # The text of a token is a word if it is tokenised as this token.
        words = [
            text
            for text, is_possible, sequence, i in zip(texts, possible, self.sequences(texts), ids, strict=True)
            if is_possible and sequence == [i]
        ]
        first = set(islice((word for word in words if word not in wanted), others))
        return [word for word in words if word in wanted or word in first], len(texts) - len(words)

    def read_pieces(self, lowercase: bool) -> tuple[list[str], int]:
        """
        Find the words and subwords of a WordPiece tokenizer.

        Args:
            lowercase: Whether texts are converted to lower case.

        Returns:
            Those that a text can produce, in the order of their ids, and how many tokens no text can produce.
        """
        continued = np.array([entry.startswith(CONTINUES) and entry != CONTINUES for entry in self.entries])
        texts = [entry.removeprefix(CONTINUES) or entry for entry in self.entries]
        possible = are_words(texts, lowercase) & ~continued
        # What can precede a subword: letters ("q", with which no accent combines), a digit or the same symbol.
        for form in ("q{0}", "q{0}q", "1{0}", "{1}{0}"):
            possible |= are_words([form.format(text, text[:1]) for text in texts], lowercase) & continued
        pieces = [entry for entry, is_possible in zip(self.entries, possible, strict=True) if is_possible]
        return pieces, len(self.entries) - len(pieces)

    def has(self, words: Sequence[str]) -> np.ndarray:
        """Return for each word whether it has a vector: `(words,)`, Boolean."""
        return np.array([bool(sequence) for sequence in self.sequences(words)], dtype=bool)

    def embed(self, words: Sequence[str]) -> np.ndarray:
        """Return the vectors of words, zero for those without one: `(words, dimension)`."""
        return self._embed(self.sequences(words))

    def embed_pieces(self, pieces: Sequence[str]) -> np.ndarray:
        """
        Return the vectors of words and subwords of a WordPiece tokenizer.

        Args:
            pieces: Words and subwords. One that the tokenizer does not have is tokenised without its mark.

        Returns:
            `(pieces, dimension)`, zero for those without a vector.
        """
        bare = self.sequences([piece.removeprefix(CONTINUES) for piece in pieces])
        known = set(self.entries)
        return self._embed(
            [[self._ids[piece]] if piece in known else sequence for piece, sequence in zip(pieces, bare, strict=True)]
        )

    def sequences(self, words: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each word; none for a word that the tokenizer does not know."""
        encodings = self.tokenizer.encode_batch_fast([self._prefix + word for word in words], add_special_tokens=False)
        return [[i for i in encoding.ids if i not in self._not_words] for encoding in encodings]

    @cached_property
    def _prefix(self) -> str:
        """What is put before a word so that it is tokenised as it is within a text."""
        # A tokenizer of bytes may have other tokens for the first word of a text than for those after a space. In other
        # tokenizers a space has no effect, or is one more token.
        lengths = [
            sum(len(encoding.ids) for encoding in self.tokenizer.encode_batch_fast([prefix + word for word in "ae1."]))
            for prefix in (" ", "")
        ]
        return " " if lengths[0] <= lengths[1] else ""


VectorSource = VectorFile | SubwordVectors


def open_source(source: str, trust_remote_code: bool = False) -> VectorSource:
    """
    Find the kind of a source of vectors, and open it.

    Args:
        source: One of

            - a text file in the format of GloVe, word2vec or fastText, possibly compressed,
            - the folder or Hub id of a static model of model2vec or sentence-transformers,
            - the folder or Hub id of a model of this package, whose embeddings are used,
            - the folder or Hub id of any other encoder, whose outputs for single words are used.
        trust_remote_code: Run the code of an encoder that has its own model class.

    Returns:
        The source.

    Raises:
        ValueError: The file or model is damaged.
        OSError: There is no such file, folder or Hub id, or the Hub cannot be reached.
        ImportError: It is an encoder, and the package sentence-transformers is not installed.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return VectorFile(str(path))
    folder = path if path.is_dir() else _download(source, path, CODE_FILES if trust_remote_code else ())
    static = load_static_model(folder)
    if static is not None:
        return SubwordVectors(static.tokenizer, static.embed)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"The folder {source} has no model; for a file of vectors, give the path of the file.")
    encoder = Encoder(folder, trust_remote_code)
    return SubwordVectors(encoder.tokenizer.backend_tokenizer, encoder.embed)


def _download(source: str, path: Path, code_files: Sequence[str]) -> Path:
    """Return the folder of a model of the Hub."""
    is_local = source.startswith((".", "/", "~")) or path.suffix.lower() in FILE_SUFFIXES
    if is_local or (path.parent != Path(".") and path.parent.is_dir()):
        raise FileNotFoundError(f"There is no file or folder {source}.")
    try:
        patterns = [*HUB_FILES, *code_files]
        return Path(snapshot_download(source, allow_patterns=patterns, ignore_patterns=list(OTHER_FORMATS)))
    except (OSError, HFValidationError) as error:
        raise OSError(
            f"{source} is not a file or folder, and the Hub has no such model or cannot be reached ({one_line(error)})."
            " Check the name and the network."
        ) from None


class Encoder:
    """
    A sentence encoder that is loaded only if its vectors are not in the cache.

    The cache is a folder in the home folder of Hugging Face. Its files are named after the content of the model.

    Args:
        folder: Folder of the encoder.
        trust_remote_code: Run the code in this folder.
    """

    def __init__(self, folder: Path, trust_remote_code: bool = False):
        self.folder, self.trust_remote_code = folder, trust_remote_code
        self.tokenizer: PreTrainedTokenizerFast = load_tokenizer(folder)

    def embed(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """
        Return the output for each sequence of token ids, between the special tokens of the encoder.

        Args:
            sequences: Token ids. An empty sequence has the vector zero.

        Returns:
            `(sequences, dimension)`, float32 with the precision of float16, in which the cache stores them.
        """
        cached = Path(HF_HOME) / "hf_lstm" / "vectors" / f"{self._digest(sequences)}.npy"
        if cached.is_file():
            return np.load(cached, allow_pickle=False).astype(np.float32)
        vectors = self._compute(sequences).astype(np.float16)
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_name(f"{uuid.uuid4()}.npy")
        np.save(partial, vectors)
        os.replace(partial, cached)  # another process never reads half a file
        return vectors.astype(np.float32)

    def _digest(self, sequences: Sequence[Sequence[int]]) -> str:
        """Return a hash of the files of the encoder, its precision on this machine, and the sequences."""
        digest = hashlib.sha256(str(fast_dtype(fastest_device())).encode())
        for path in sorted({path for pattern in (*HUB_FILES, *CODE_FILES) for path in self.folder.rglob(pattern)}):
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        digest.update(json.dumps([list(sequence) for sequence in sequences]).encode())
        return digest.hexdigest()

    @torch.inference_mode()
    def _compute(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        encoder = load_encoder(str(self.folder), self.trust_remote_code)
        before, after = self._special_ids()
        order = sorted((i for i, sequence in enumerate(sequences) if sequence), key=lambda i: len(sequences[i]))
        vectors: np.ndarray | None = None
        with progress_bar(total=len(order), unit="word", desc="Encoding") as bar:
            for start in range(0, len(order), BATCH_SEQUENCES):
                batch = order[start : start + BATCH_SEQUENCES]
                ids = [[*before, *sequences[i], *after] for i in batch]
                inputs = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(encoder.device)
                outputs = encoder(dict(inputs))["sentence_embedding"].float().cpu().numpy()  # (batch, dimension)
                if vectors is None:
                    vectors = np.zeros((len(sequences), outputs.shape[1]), dtype=np.float32)
                vectors[batch] = outputs
                bar.update(len(batch))
        return np.zeros((len(sequences), 1), dtype=np.float32) if vectors is None else vectors

    def _special_ids(self) -> tuple[list[int], list[int]]:
        """Return the ids that the tokenizer puts before and after a text."""
        encoding = self.tokenizer("a", return_special_tokens_mask=True)
        ids, mask = encoding["input_ids"], encoding["special_tokens_mask"]
        first, last = mask.index(0), len(mask) - 1 - mask[::-1].index(0)
        return ids[:first], ids[last + 1 :]
