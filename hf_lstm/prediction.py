"""Score texts with a saved or trained classifier, in batches of similar length."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from scipy.special import expit, softmax
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from .cli import one_line
from .configuration_lstm import LstmConfig
from .data import TEXT_COLUMNS, find_column
from .modeling_lstm import LstmForSequenceClassification
from .pieces import clean_text
from .reading import stream_file

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")

# Padded tokens in one batch: enough to fill the matrix units, few enough to stay in the cache of a CPU.
BATCH_TOKENS = 16_384

# Rows of a file that are read, sorted by length, scored and written at a time: this bounds the memory.
WINDOW = 2_048


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


def load_classifier(source: str) -> tuple[LstmForSequenceClassification, PreTrainedTokenizerFast]:
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


def predict_logits(
    model: PreTrainedModel,
    input_ids: Sequence[Sequence[int]],
    batch_tokens: int = BATCH_TOKENS,
    show_progress: bool = False,
) -> np.ndarray:
    """
    Runs a classifier over tokenised texts, whole and in full precision, as the pipeline does.

    Args:
        model: A sequence classifier; it is put into evaluation mode.
        input_ids: Token ids of each text, of any lengths, none empty.
        batch_tokens: Upper limit of rows times longest row in a batch; a longer text is a batch of its own.
        show_progress: Show a bar that counts tokens, since texts differ in length.

    Returns:
        Logits in the order of the texts, float32, `(texts, num_labels)`.
    """
    model.eval()
    lengths = np.array([len(ids) for ids in input_ids])
    order = np.argsort(lengths, kind="stable")
    logits = np.zeros((len(input_ids), model.config.num_labels), dtype=np.float32)
    progress = tqdm(total=int(lengths.sum()), unit="token", unit_scale=True, disable=not show_progress, leave=False)
    start = 0
    with torch.inference_mode(), progress:
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * lengths[order[end]] <= batch_tokens:
                end += 1
            rows = order[start:end]
            batch = pad_batch([input_ids[row] for row in rows], model.config.pad_token_id or 0)
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
            logits[rows] = output.logits.float().cpu().numpy()
            progress.update(int(lengths[rows].sum()))
            start = end
    return logits


def pad_batch(input_ids: Sequence[Sequence[int]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Pads token ids on the right: `input_ids` and `attention_mask`, each `(batch, seq)`."""
    rows = [torch.as_tensor(ids, dtype=torch.long) for ids in input_ids]
    return {
        "input_ids": pad_sequence(rows, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
    }


def predict_texts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], show_progress: bool = False
) -> np.ndarray:
    """Logits of raw texts, `(texts, num_labels)`; see [`predict_logits`]."""
    if not texts:
        return np.zeros((0, model.config.num_labels), dtype=np.float32)
    encoded = tokenizer([clean_text(text) for text in texts], return_attention_mask=False, verbose=False)
    return predict_logits(model, encoded["input_ids"], show_progress=show_progress)


def probabilities(logits: np.ndarray, problem_type: str) -> np.ndarray:
    """Probabilities `(texts, num_labels)` of logits; in a regression the scores themselves."""
    if problem_type == "single_label_classification":
        return softmax(logits, axis=1)
    return expit(logits) if problem_type == "multi_label_classification" else logits


def label_columns(config, label_names: Sequence[str], problem_type: str, name: str) -> list[int]:
    """
    Which of a model's outputs belong to the labels of others.

    Args:
        config: The model's.
        label_names: Names of the labels, in the order that is wanted.
        problem_type: That of the others.
        name: What the model is called in the message.

    Returns:
        Index of each label's output.

    Raises:
        ValueError: The model has other labels, or another kind of target.
    """
    if problem_type == config.problem_type == "regression" and len(label_names) == config.num_labels:
        return list(range(config.num_labels))
    if problem_type != config.problem_type or set(label_names) != set(config.label2id):
        raise ValueError(
            f"{name} has the labels {', '.join(config.label2id)} ({config.problem_type}), which are not the same as "
            f"{', '.join(label_names)} ({problem_type})."
        )
    return [config.label2id[label] for label in label_names]


def average_logits(logits: Sequence[np.ndarray], problem_type: str) -> np.ndarray:
    """
    Averages what several models say of the same texts, as probabilities; in a regression as scores.

    Args:
        logits: Of each model, `(texts, num_labels)`, with the labels in the same order.
        problem_type: That of the models.

    Returns:
        Logits of the average, `(texts, num_labels)`.
    """
    mean = np.mean([probabilities(np.asarray(part, dtype=np.float64), problem_type) for part in logits], axis=0)
    if problem_type == "regression":
        return mean.astype(np.float32)
    mean = np.clip(mean, np.finfo(np.float32).tiny, 1 - np.finfo(np.float64).epsneg)
    odds = np.log(mean) if problem_type == "single_label_classification" else np.log(mean / (1 - mean))
    return odds.astype(np.float32)


def describe(logits: np.ndarray, config) -> list[dict]:
    """
    Says of each text what was predicted.

    Args:
        logits: `(texts, num_labels)`.
        config: The model's, for label names, problem type and the thresholds of several labels a text.

    Returns:
        One dictionary a text: `label` and `score` (its probability); with several labels a text, lists of them, most
        probable first, of those that reach `config.threshold`; in a regression `score` alone.
    """
    scores = probabilities(logits, config.problem_type)
    names = [config.id2label[i] for i in range(config.num_labels)]
    if config.problem_type == "regression":
        return [{"score": row.tolist() if len(row) > 1 else float(row[0])} for row in scores]
    if config.problem_type == "single_label_classification":
        best = scores.argmax(1)
        return [{"label": names[i], "score": float(row[i])} for i, row in zip(best, scores, strict=True)]
    described, thresholds = [], np.broadcast_to(config.threshold, len(names))
    for row in scores:
        chosen = [i for i in np.argsort(-row, kind="stable") if row[i] >= thresholds[i]]
        described.append({"label": [names[i] for i in chosen], "score": [float(row[i]) for i in chosen]})
    return described


def predict_file(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, source: str, target: str, text_column: str | None = None
) -> tuple[int, int]:
    """
    Copies a table with the columns `predicted_label` and `predicted_score` added, in constant memory.

    Args:
        model: A sequence classifier.
        tokenizer: Its tokenizer.
        source: csv, tsv, json, jsonl, parquet or txt file.
        target: csv, tsv, jsonl or parquet file; it appears when all of it is written.
        text_column: Column of the texts; by default the one with a usual name.

    Returns:
        Number of rows, and how many of them had no text and therefore got no prediction.

    Raises:
        FileNotFoundError: There is no such source.
        ValueError: The source or the target cannot be used; the message says why.
    """
    if Path(target).exists() and Path(target).samefile(source):
        raise ValueError(f"{target} is the input itself: name another file to write to.")
    count = skipped = 0
    with open_writer(target) as write, tqdm(unit="row", unit_scale=True) as progress:
        for rows in windows(stream_file(source), WINDOW):
            if count == 0:
                text_column = find_column(list(rows[0]), TEXT_COLUMNS, text_column, role="text", where=source)
            readable = [row for row in rows if row.get(text_column) is not None]
            for row in readable:
                if not isinstance(row[text_column], str):
                    raise ValueError(f"Column {text_column!r} of {source} holds {row[text_column]!r}, not a text.")
            logits = predict_texts(model, tokenizer, [row[text_column] for row in readable])
            for row in rows:
                row["predicted_label"] = row["predicted_score"] = None
            for row, prediction in zip(readable, describe(logits, model.config), strict=True):
                row.update({f"predicted_{key}": value for key, value in prediction.items()})
            write(rows)
            count += len(rows)
            skipped += len(rows) - len(readable)
            progress.update(len(rows))
    return count, skipped


def windows(items: Iterable, size: int) -> Iterator[list]:
    """Consecutive lists of at most `size` items."""
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window


@contextmanager
def open_writer(path: str) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """
    Opens a table to write in windows of rows; an interrupted run leaves no half-written file behind.

    Args:
        path: File that ends in .csv, .tsv, .jsonl or .parquet.

    Yields:
        A function that appends rows.

    Raises:
        ValueError: The ending is another one.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".tsv", ".jsonl", ".parquet"):
        raise ValueError(f"{path} should end in .csv, .tsv, .jsonl or .parquet: the ending says how it is written.")
    partial = f"{path}.partial"
    table: pq.ParquetWriter | csv.DictWriter | None = None
    stream = None if suffix == ".parquet" else open(partial, "w", encoding="utf-8", newline="")  # noqa: SIM115

    def write(rows: list[dict[str, Any]]) -> None:
        nonlocal table
        if suffix == ".jsonl":
            stream.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        elif suffix == ".parquet":
            if table is None:
                schema = pa.Table.from_pylist(rows).schema
                # A column that starts without any value is taken for text.
                fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema]
                table = pq.ParquetWriter(partial, pa.schema(fields))
            table.write_table(pa.Table.from_pylist(rows, schema=table.schema))
        else:
            if table is None:
                table = csv.DictWriter(stream, list(rows[0]), dialect="excel-tab" if suffix == ".tsv" else "excel")
                table.writeheader()
            for row in rows:
                table.writerow({k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()})

    try:
        yield write
        if isinstance(table, pq.ParquetWriter):
            table.close()
        if stream is not None:
            stream.close()
        os.replace(partial, path)
    finally:
        if stream is not None:
            stream.close()
        Path(partial).unlink(missing_ok=True)
