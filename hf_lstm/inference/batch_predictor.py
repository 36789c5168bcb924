"""Add predictions to the batches of `datasets`, Ray Data and Spark."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from transformers import PreTrainedTokenizerFast
from transformers.utils.hub import cached_file

from ..data import TEXT_COLUMNS, file_digest, find_column, is_missing
from ..models import LstmForSequenceClassification
from .columns import predict_columns, prediction_types
from .loading import fastest_device, load_config, load_model_and_tokenizer
from .prediction import predict_texts

# Files of a saved classifier that decide its predictions.
_FILES = ("config.json", "model.safetensors", "tokenizer.json")


class BatchPredictor:
    """Add the columns `predicted_label` and `predicted_score` to batches, as `hf-lstm predict` does to files.

    The object can be sent to other processes and machines. It is pickled without the model, which each process loads
    once, when it gets its first batch. A process that unpickles it then uses one thread, because the processes of a
    machine share its cores.

    `datasets` takes the types of lists from the first batch, and ends with an error if none of its texts has a label
    but a later one has. `dataset.with_format("arrow").map(predict, batched=True)` has the right types from the start.

    Args:
        model: Folder or Hub id of a trained classifier. Every machine must find the same model there.
        text_column: Column of the texts; by default the one with a usual name.

    Raises:
        ValueError: It is not a classifier of this package.
        OSError: There is no such folder or Hub id, or the Hub cannot be reached.

    Example:
        ```python
        predict = BatchPredictor("runs/reviews")
        dataset.map(predict, batched=True, num_proc=4)  # datasets
        ray_dataset.map_batches(predict, batch_format="pyarrow")  # Ray Data
        spark_frame.mapInPandas(predict, "text string, predicted_label string, predicted_score double")  # Spark
        ```
    """

    def __init__(self, model: str | Path, text_column: str | None = None):
        source = os.path.expanduser(str(model))
        load_config(source)
        # Other processes may have another working directory.
        self.model = os.path.abspath(source) if os.path.isdir(source) else source
        self.text_column = text_column
        self.digests = model_digests(self.model)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        use_one_thread()

    def __call__(self, batch: Any) -> Any:
        """Return a batch with the predictions. Columns with their names are replaced.

        Args:
            batch: A dictionary of lists or numpy arrays, a pandas DataFrame, or an Arrow table or record batch; or an
                iterator of such batches, as Spark passes it.

        Returns:
            A batch of the same type, or an iterator. A missing text has no prediction: `None` in lists, arrays of texts
            and Arrow columns, and NaN in DataFrames and in arrays of numbers, as usual there.

        Raises:
            ValueError: The batch has no text column, or it holds something that is not a text.
            TypeError: The batch is of another type, or a single row.
        """
        if isinstance(batch, Iterator):
            return map(self, batch)
        names = _column_names(batch)
        text_column = find_column(names, TEXT_COLUMNS, self.text_column, role="text", where="the batch")
        texts = _read_texts(batch, text_column)
        model, tokenizer = _load(self.model, self.digests)
        columns = predict_columns(partial(predict_texts, model, tokenizer), model.config, texts)
        types = prediction_types(model.config)
        arrays = {name: pa.array(values, types[name]) for name, values in columns.items()}
        if isinstance(batch, pd.DataFrame):
            return batch.assign(**{name: array.to_pandas().array for name, array in arrays.items()})
        if not isinstance(batch, pa.Table | pa.RecordBatch):
            if isinstance(batch[text_column], np.ndarray):
                return batch | {name: array.to_numpy(zero_copy_only=False) for name, array in arrays.items()}
            return batch | columns
        for name, array in arrays.items():
            if name in names:
                batch = batch.set_column(names.index(name), name, array)
            else:
                batch = batch.append_column(name, array)
        return batch


def use_one_thread() -> None:
    """Let the models and tokenizers of this process use one thread, for processes that share the cores of a machine."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # read by OnnxSession
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _column_names(batch: Any) -> list[str]:
    if isinstance(batch, pa.Table | pa.RecordBatch):
        return batch.schema.names
    if isinstance(batch, pd.DataFrame | Mapping):
        return [name for name in batch if isinstance(name, str)]
    raise TypeError(
        "Expected a batch of columns (a dictionary, a pandas DataFrame or an Arrow table), got a "
        f"{type(batch).__name__}; `datasets.map` passes batches with batched=True."
    )


def _read_texts(batch: Any, text_column: str) -> Sequence[str | None]:
    """Return the texts of a batch, `None` for a missing one."""
    values = batch[text_column]
    if isinstance(values, str | None):  # its characters would be taken for texts
        raise TypeError(f"Column {text_column!r} holds one text, not a batch; call `datasets.map` with batched=True.")
    values = values.to_pylist() if isinstance(values, pa.Array | pa.ChunkedArray) else list(values)
    texts = [None if is_missing(value) else value for value in values]
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str | None):
            raise ValueError(f"Column {text_column!r} of the batch holds {text!r} in row {number:,}, not a text.")
    return texts


def model_digests(source: str, graph: str | None = None) -> tuple[str, ...]:
    """Return digests of the files of a classifier, and of an exported graph, by which a retrained one is noticed."""
    names = _FILES if graph is None else (*_FILES, graph)
    return tuple(file_digest(str(cached_file(source, name))) for name in names)


@lru_cache(maxsize=4)  # copies of a predictor share its model; few processes use more models than this
def _load(source: str, digests: tuple[str, ...]) -> tuple[LstmForSequenceClassification, PreTrainedTokenizerFast]:
    if model_digests(source) != digests:
        raise ValueError(
            f"{source} is not the same classifier as when the BatchPredictor was created; put the same files on every "
            "machine, and create it again after a training."
        )
    model, tokenizer = load_model_and_tokenizer(source)
    model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    return model, tokenizer
