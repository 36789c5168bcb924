"""Read a corpus from a folder, a file or the Hub, with columns and types as they are."""

from itertools import chain
from pathlib import Path

import datasets
import pyarrow.parquet as pq
from datasets import DatasetDict, IterableDatasetDict
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

from ..messages import one_line
from .files import FILE_SUFFIXES, _FileError, _read_files, _reading, stream_file

SPLIT_ALIASES = {"val": "validation", "valid": "validation", "dev": "validation"}


def read_source(
    source: str, config_name: str | None = None, *, labelled: bool = True, streaming: bool = False
) -> DatasetDict | IterableDatasetDict:
    """Reads the splits of a folder, a file or a Hub dataset, with columns and types as they are.

    Args:
        source: Local folder, local file (all of it becomes "train") or Hub id.
        config_name: Configuration of a dataset that has several.
        labelled: Whether the lines of a .txt file start with `__label__` marks; else each is a text.
        streaming: Give datasets that read their rows anew each time and keep none.

    Returns:
        The splits by name; "val", "valid" and "dev" are called "validation".

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        ValueError: The source cannot be read; the message names the file and, where known, the line.
    """
    path = Path(source).expanduser()
    if path.is_file():
        if config_name is not None:
            raise ValueError(
                f"{source} is a file; only a folder or a Hub dataset has configurations such as {config_name}."
            )
        if streaming:
            return IterableDatasetDict(train=stream_file(str(path)))
        return _read_files({"train": [str(path)]}, labelled=labelled)
    if path.is_dir():
        with _reading(source):
            return _rename_splits(_read_folder(path, config_name, labelled, streaming))
    if source.startswith((".", "/", "~")) or path.suffix.lower() in FILE_SUFFIXES or source.count("/") > 1:
        raise FileNotFoundError(f"There is no file or folder {source}.")
    with _reading(source):
        _check_hub(source)
        return _rename_splits(datasets.load_dataset(source, config_name, streaming=streaming))


def _read_folder(
    path: Path, config_name: str | None, labelled: bool, streaming: bool
) -> DatasetDict | IterableDatasetDict:
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        loaded = datasets.load_from_disk(str(path))
        loaded = loaded if isinstance(loaded, DatasetDict) else DatasetDict(train=loaded)
        if streaming:
            return IterableDatasetDict({split: rows.to_iterable_dataset() for split, rows in loaded.items()})
        return loaded
    if streaming:
        return datasets.load_dataset(str(path), config_name, streaming=True)
    builder = datasets.load_dataset_builder(str(path), config_name)
    files = {str(split): list(names) for split, names in builder.config.data_files.items()}
    suffixes = {Path(name).suffix.lower() for names in files.values() for name in names}
    if suffixes <= {".csv", ".tsv", ".json", ".jsonl", ".txt"}:
        return _read_files(files, separator=getattr(builder.config, "sep", None), labelled=labelled)
    for name in chain.from_iterable(files.values()):
        if name.lower().endswith(".parquet"):
            with _reading(name):
                pq.read_metadata(name)
    return datasets.load_dataset(str(path), config_name)


def _rename_splits(splits: DatasetDict | IterableDatasetDict) -> DatasetDict | IterableDatasetDict:
    return type(splits)({SPLIT_ALIASES.get(str(split), str(split)): rows for split, rows in splits.items()})


def _check_hub(source: str) -> None:
    """Asks the Hub once, as loading from a Hub that cannot be reached retries for half a minute."""
    try:
        HfApi().dataset_info(source, timeout=10)
    except OfflineModeIsEnabled:
        pass  # an earlier download can still be loaded
    except HFValidationError:
        raise FileNotFoundError(f"{source} is no file or folder here, and no name of a dataset on the Hub.") from None
    except RepositoryNotFoundError:
        raise _FileError(
            f"{source} is no file or folder here, and the Hub has no dataset of that name; correct it, or log in if "
            "the dataset is private."
        ) from None
    except Exception as error:  # the HTTP client of the Hub library, and so its errors, differ between releases
        raise ConnectionError(one_line(error)) from None
