"""Pack a labelled corpus into one small file for the language-model recipe."""

import tempfile
from collections import defaultdict, deque
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerFast

from ..data import TEXT_COLUMNS, Corpus, find_column, load_corpus, read_source
from ..language_model import MAX_FILE_BYTES, NO_LABEL, PUBLISHED_SIZE, SPLITS, PackedCorpus, TokenTexts
from ..messages import format_count
from ..text import clean_text, train_tokenizer

# 12,000 words cover 96 % of IMDB's tokens (30,000: 98 %). With them all reviews fit into 26 MB, and the embeddings
# (12,000 by 400 in fp16) into one file of 15 MB.
PACKED_VOCAB_SIZE = 12_000

# Bytes of a weight in half precision.
HALF_BYTES = 2

# Splits that are learned from.
LEARNED = ("train", "unsupervised")


def pack_corpus(source: str, vocab_size: int = PACKED_VOCAB_SIZE) -> tuple[PackedCorpus, list[str]]:
    """
    Tokenise a corpus, with the validation texts that [`load_corpus`] splits off.

    The tokenizer is trained on the training and unlabelled texts that do not occur in validation or test.

    Args:
        source: As in [`load_corpus`]: a folder, a file or a Hub id, with one class per text.
        vocab_size: Largest size of the vocabulary.

    Returns:
        The packed corpus, and a sentence for each thing that was found, split off or left out.

    Raises:
        FileNotFoundError, ConnectionError: The corpus cannot be read.
        ValueError: The corpus has no classes, no test split, or a validation split.
    """
    raw = read_source(source)
    if "validation" in raw or not {"train", "test"} <= raw.keys():
        raise ValueError(f"{source} cannot be packed: it needs the splits train and test, and no validation split.")
    corpus = load_corpus(source)
    if corpus.problem_type != "single_label_classification":
        raise ValueError(f"{source} cannot be packed: its texts do not have exactly one class each.")
    texts = _texts_by_split(corpus)
    originals = {split: _column(raw[split], source) for split in ("train", "test")}
    others = [_column(rows, source) for split, rows in raw.items() if split not in originals]
    originals["unsupervised"] = [text for column in others for text in column]
    rows = _find_rows(texts, originals)
    held_out = {*texts["validation"], *texts["test"]}
    labels = {
        split: corpus.splits[split]["labels"][:] if split in corpus.splits else [NO_LABEL] * len(texts[split])
        for split in SPLITS
    }
    table = [
        (SPLITS.index(split), row, label, split in LEARNED and text in held_out, text)
        for split in SPLITS
        for text, row, label in zip(texts[split], rows[split], labels[split], strict=True)
    ]
    # In the order of the original rows, where validation texts are among the train rows: it needs the least space.
    table.sort(key=lambda entry: (("train", "unsupervised", "test").index(_original(SPLITS[entry[0]])), entry[1]))
    splits, row_ids, label_ids, shared, joined = zip(*table, strict=True)
    learned = [text for split in LEARNED for text in texts[split] if text not in held_out]
    tokenizer = train_tokenizer(learned, "word", vocab_size, show_progress=False)
    packed = PackedCorpus(
        texts=TokenTexts.tokenize(joined, tokenizer),
        splits=np.array(splits, np.uint8),
        rows=np.array(row_ids, np.uint32),
        labels=np.array(label_ids, np.int16),
        shared=np.array(shared, bool),
        label_names=tuple(corpus.label_names),
        tokenizer_files=_saved_files(tokenizer),
        name=source,
    )
    largest = len(tokenizer) * PUBLISHED_SIZE.embedding_size * HALF_BYTES
    too_large = (
        f"Warning: the embeddings of {len(tokenizer):,} tokens need a file of {largest / 1e6:.1f} MB. Other files have "
        f"at most {MAX_FILE_BYTES / 1e6:.0f} MB: use a smaller `--vocab_size` if the files are limited to that size."
    )
    unknown = (packed.texts.tokens == tokenizer.unk_token_id).mean()
    return packed, [
        *corpus.notes,
        f"{format_count(sum(shared), 'text')} of train and unsupervised also occur in validation or test and are not "
        "used for training.",
        f"{len(packed.texts.tokens):,} tokens; {unknown:.1%} are not in the vocabulary of {len(tokenizer):,}.",
        *([too_large] if largest > MAX_FILE_BYTES else []),
    ]


def _texts_by_split(corpus: Corpus) -> dict[str, list[str]]:
    """Return the clean texts of each split; a split that the corpus lacks is empty."""
    texts = {split: corpus.splits[split]["text"][:] if split in corpus.splits else [] for split in SPLITS}
    if corpus.unlabelled is not None:
        texts["unsupervised"] = [clean_text(text) for text in corpus.unlabelled["text"][:]]
    return texts


def _column(rows: Dataset, source: str) -> list[str]:
    column = find_column(rows.column_names, TEXT_COLUMNS, None, role="text", where=source)
    return [clean_text(text or "") for text in rows[column][:]]


def _original(split: str) -> str:
    """Return the split of the original corpus."""
    return "train" if split == "validation" else split


def _find_rows(texts: dict[str, list[str]], originals: dict[str, list[str]]) -> dict[str, list[int]]:
    """Return the row of each text in its original split; equal texts get different rows."""
    rows = {}
    places: dict[str, dict[str, deque[int]]] = {}
    for split, column in originals.items():
        places[split] = defaultdict(deque)
        for row, text in enumerate(column):
            places[split][text].append(row)
    for split in SPLITS:
        rows[split] = [places[_original(split)][text].popleft() for text in texts[split]]
    return rows


def _saved_files(tokenizer: PreTrainedTokenizerFast) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return {path.name: path.read_text(encoding="utf-8") for path in Path(folder).iterdir()}
