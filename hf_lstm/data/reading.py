"""Read the splits of a file, a folder, a Hub dataset or tables in memory, with columns and types unchanged."""

from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import datasets
import pyarrow.parquet as pq
from datasets import DatasetDict, IterableDatasetDict
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

from ..messages import capitalize, one_line
from .files import FILE_SUFFIXES, FileError, read_files, reading, stream_file
from .sample_reviews import build_sample_reviews
from .tables import as_iterable, convert_splits, name_source

SPLIT_ALIASES = {"val": "validation", "valid": "validation", "dev": "validation"}

Splits: TypeAlias = DatasetDict | IterableDatasetDict


def read_source(data: Any, config_name: str | None = None, *, labelled: bool = True, streaming: bool = False) -> Splits:
    """Read the splits of any kind of data, with columns and types unchanged.

    Args:
        data: As in [`load_corpus`]: a file or a table (which becomes the split "train"), a folder, a Hub id, a
            dictionary of tables, or `None` for the bundled reviews.
        config_name: Configuration of a folder or Hub dataset that has several.
        labelled: Whether the lines of a txt file start with `__label__` marks; otherwise each line is a text.
        streaming: Return datasets that read their rows again in each pass instead of storing them.

    Returns:
        The splits by name; "val", "valid" and "dev" are renamed to "validation".

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        TypeError: `data` is of a type that cannot be read.
        ValueError: The data cannot be read; the message names the file and, if known, the line.
    """
    if isinstance(data, str | Path):
        splits = _read_path(str(data), config_name, labelled, streaming)
    elif config_name is not None:
        raise ValueError(
            f"{capitalize(name_source(data))} has no configurations; config_name={config_name!r} applies to a folder "
            "or a Hub dataset."
        )
    else:
        splits = build_sample_reviews() if data is None else convert_splits(data)
    splits = _rename_splits(splits, name_source(data))
    if streaming:
        return IterableDatasetDict({split: as_iterable(rows) for split, rows in splits.items()})
    return splits


def _read_path(source: str, config_name: str | None, labelled: bool, streaming: bool) -> Splits:
    path = Path(source).expanduser()
    if path.is_file():
        if config_name is not None:
            raise ValueError(f"{source} is a file; config_name={config_name!r} applies to a folder or a Hub dataset.")
        if streaming:
            return IterableDatasetDict(train=stream_file(str(path)))
        return read_files({"train": [str(path)]}, labelled=labelled)
    if path.is_dir():
        with reading(source):
            return _read_folder(path, config_name, labelled, streaming)
    if source.startswith((".", "/", "~")) or path.suffix.lower() in FILE_SUFFIXES or source.count("/") > 1:
        raise FileNotFoundError(f"There is no file or folder {source}.")
    with reading(source):
        _check_hub(source)
        return datasets.load_dataset(source, config_name, streaming=streaming)


def _read_folder(path: Path, config_name: str | None, labelled: bool, streaming: bool) -> Splits:
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        loaded = datasets.load_from_disk(str(path))
        return loaded if isinstance(loaded, DatasetDict) else DatasetDict(train=loaded)
    if streaming:
        return datasets.load_dataset(str(path), config_name, streaming=True)
    builder = datasets.load_dataset_builder(str(path), config_name)
    files = {str(split): list(names) for split, names in builder.config.data_files.items()}
    suffixes = {Path(name).suffix.lower() for names in files.values() for name in names}
    if suffixes <= {".csv", ".tsv", ".json", ".jsonl", ".txt"}:
        return read_files(files, separator=getattr(builder.config, "sep", None), labelled=labelled)
    for name in chain.from_iterable(files.values()):
        if name.lower().endswith(".parquet"):
            with reading(name):
                pq.read_metadata(name)
    return datasets.load_dataset(str(path), config_name)


def _rename_splits(splits: Splits, name: str) -> Splits:
    renamed = {}
    for split, rows in splits.items():
        new = SPLIT_ALIASES.get(str(split), str(split))
        if new in renamed:
            raise ValueError(f"{capitalize(name)} has several splits called {new!r} or similar; remove all but one.")
        renamed[new] = rows
    return type(splits)(renamed)


def _check_hub(source: str) -> None:
    """Ask the Hub once, because loading from a Hub that cannot be reached retries for half a minute."""
    try:
        HfApi().dataset_info(source, timeout=10)
    except OfflineModeIsEnabled:
        pass  # an earlier download can still be loaded
    except HFValidationError:
        raise FileNotFoundError(f"{source} is not a file or folder, and not a valid name of a Hub dataset.") from None
    except RepositoryNotFoundError:
        raise FileError(
            f"{source} is not a file or folder, and the Hub has no dataset with this name; correct the name, or log in "
            "if the dataset is private."
        ) from None
    except Exception as error:  # the HTTP client of huggingface_hub, and thus its errors, differ between releases
        raise ConnectionError(one_line(error)) from None
