"""Helpers that several test files share: tiny corpora, models and trainings."""

import json
from pathlib import Path

import numpy as np
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from torch import nn

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.data.batching import tokenize_corpus
from hf_lstm.data.corpus import Corpus, load_corpus
from hf_lstm.training.arguments import ClassifierTrainingArguments, ModelArguments
from hf_lstm.training.building import build_model, build_tokenizer
from hf_lstm.training.defaults import resolve_defaults
from hf_lstm.training.trainer import build_trainer

ROOT = Path(__file__).parents[1]
OPINIONS = [
    f"{opinion} {thing} number {i}" for i in range(75) for opinion in ("good", "bad") for thing in ("film", "book")
]
SIZE_OPTIONS = ("--embedding_size", 16, "--hidden_size", 16)
SHORT_OPTIONS = ("--num_train_epochs", 2, "--learning_rate", 0.02, "--no_baseline")
# A tiny and fast recurrent classifier, as options of a Python call.
TINY_TRAINING = {
    "embedding_size": 8,
    "hidden_size": 8,
    "learning_rate": 0.02,
    "num_train_epochs": 2,
    "disable_tqdm": True,
}
SIZES = {"embedding_size": 8, "hidden_size": 8, "tokenizer": "word", "vocab_size": 60}


def tiny_corpus(problem_type="single_label_classification") -> Corpus:
    """Texts of different lengths whose label is whether (or how often) they say good."""
    rng = np.random.default_rng(0)
    texts, counts = [], []
    for _ in range(60):
        words = rng.choice(["good", "bad", "film", "plot", "the"], size=rng.integers(1, 9)).tolist()
        texts.append(" ".join(words))
        counts.append(words.count("good"))
    if problem_type == "single_label_classification":
        names, feature = ("other", "good"), ClassLabel(names=["other", "good"])
        labels = [int(count > 0) for count in counts]
    elif problem_type == "multi_label_classification":
        names, feature = ("good", "short"), List(Value("float32"))
        labels = [[float(count > 0), float(len(text) < 12)] for count, text in zip(counts, texts, strict=True)]
    else:
        names, feature, labels = ("score",), Value("float32"), [float(count) / 2 for count in counts]
    rows = Dataset.from_dict(
        {"text": texts, "labels": labels}, features=Features({"text": Value("string"), "labels": feature})
    )
    splits = DatasetDict(train=rows.select(range(40)), validation=rows.select(range(40, 60)))
    return Corpus(splits, names, problem_type, ())


def training_arguments(folder, **fields) -> ClassifierTrainingArguments:
    defaults = {"num_train_epochs": 2, "disable_tqdm": True, "bf16": False, "per_device_train_batch_size": 8}
    return ClassifierTrainingArguments(output_dir=str(folder), **(defaults | fields))


def build_classifier(corpus, args: ModelArguments, training=None):
    """Model, tokenizer, tokenized splits and resolved arguments of the Trainer."""
    tokenizer = build_tokenizer(corpus.splits["train"]["text"], args)
    splits = tokenize_corpus(corpus.splits, tokenizer)
    resolved = resolve_defaults(splits, corpus.problem_type, args, training or ClassifierTrainingArguments("unused"))
    return build_model(corpus, splits, tokenizer, resolved.model), tokenizer, splits, resolved.training


def prepare_training(folder, problem_type="single_label_classification", **fields):
    corpus = tiny_corpus(problem_type)
    given = training_arguments(folder, **fields)
    model, tokenizer, splits, args = build_classifier(corpus, ModelArguments(**SIZES), given)
    return build_trainer(model, tokenizer, splits, args), corpus, splits


def write_splits(folder, **splits):
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder)


def rows_of(labels, column="label"):
    return [{"text": f"text {index}", column: label} for index, label in enumerate(labels)]


def labels_of(corpus, split="train"):
    return dict(zip(corpus.splits[split]["text"], corpus.splits[split]["labels"], strict=True))


def three_splits(path, train, other=None):
    other = train if other is None else other
    return load_corpus(write_splits(path, train=train, validation=other, test=other))


CELL_TYPES = ("lstm", "gru", "rnn")


TORCH_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def padded(rows: list[torch.Tensor], side: str, extra: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of ids in one batch, with random ids (never meant to be read) as padding."""
    width = max(map(len, rows)) + extra
    ids = torch.randint(0, 40, (len(rows), width))
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        places = slice(0, len(row)) if side == "right" else slice(width - len(row), width)
        ids[i, places], mask[i, places] = row, 1
    return ids, mask


TEXTS = ["A film, don't you think?!", "naïve 😀 [CLS] book", "", "word " * 40, "so<br />good\ud83d", "no 1 2 3"] * 5


def make_classifier(**fields) -> LstmForSequenceClassification:
    torch.manual_seed(0)
    defaults = {"num_labels": 3, "problem_type": "single_label_classification", "initializer_range": 1.0}
    config = LstmConfig(vocab_size=300, embedding_size=6, hidden_size=5, **defaults | fields)
    return LstmForSequenceClassification(config).eval()
