"""Read the splits of a file, a folder, a Hub dataset or tables in memory, with columns and types unchanged."""

import re
from pathlib import Path
from typing import Any, TypeAlias

import datasets
from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Value, concatenate_datasets
from datasets.data_files import DataFilesDict, get_data_patterns
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

from ..messages import capitalize, format_names, library_progress_bars, one_line
from ..text import clean_text
from .files import content_cache, is_data_file, read_files, reading_errors, stream_file
from .formats import FILE_SUFFIXES, FileError, detect_format, format_suffix, open_text
from .parsing import flatten_row
from .sample_reviews import build_sample_reviews
from .tables import as_iterable, convert_splits, name_source

SPLIT_ALIASES = {"val": "validation", "valid": "validation", "dev": "validation"}

SPLIT_NAMES = ("train", "validation", "test", *SPLIT_ALIASES)

# Names of folders, next to one folder per class, whose texts have no label.
UNLABELLED_FOLDERS = ("unsup", "unsupervised", "unlabelled", "unlabeled")

NO_FILES = "{} has no data files; add files such as train.csv and test.csv."

Splits: TypeAlias = DatasetDict | IterableDatasetDict


@library_progress_bars()
def read_source(
    data: Any,
    config_name: str | None = None,
    *,
    labelled: bool = True,
    streaming: bool = False,
    separator: str | None = None,
    encoding: str | None = None,
    notes: list[str] | None = None,
) -> Splits:
    """Read the splits of any kind of data, with columns and types unchanged.

    Args:
        data: As in [`load_corpus`]: a file or a table (which becomes the split "train"), a folder, a Hub id, a
            dictionary of tables, or `None` for the bundled reviews.
        config_name: Configuration of a folder or Hub dataset that has several.
        labelled: Whether the lines of a txt file start with `__label__` marks; otherwise each line is a text.
        streaming: Return datasets that read their rows again in each pass instead of storing them.
        separator: Separator of the columns of csv and tsv files; detected by default.
        encoding: Encoding of text files; detected by default.
        notes: Sentences about a detected separator or encoding, and about columns with several types or of a type that
            cannot be read, are added to this list.

    Returns:
        The splits by name; "val", "valid" and "dev" are renamed to "validation".

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        TypeError: `data` is of a type that cannot be read.
        ValueError: The data cannot be read; the message names the file and, if known, the line.
    """
    if isinstance(data, str | Path):
        options = {"separator": separator, "encoding": encoding, "notes": notes}
        splits = _read_path(str(data), config_name, labelled, streaming, options)
    elif config_name is not None:
        raise ValueError(
            f"{capitalize(name_source(data))} has no configurations; config_name={config_name!r} applies to a folder "
            "or a Hub dataset."
        )
    else:
        splits = build_sample_reviews() if data is None else convert_splits(data, notes)
    splits = _rename_splits(splits, name_source(data))
    if streaming:
        splits = IterableDatasetDict({split: as_iterable(rows) for split, rows in splits.items()})
    # Fields of nested columns get dotted names, such as "ticket.subject".
    is_nested = any(isinstance(kind, dict) for rows in splits.values() for kind in (rows.features or {}).values())
    if not is_nested:
        return splits
    if isinstance(splits, DatasetDict):
        return splits.flatten()
    return IterableDatasetDict({split: _flatten_stream(rows) for split, rows in splits.items()})


def _flatten_stream(rows: IterableDataset) -> IterableDataset:
    nested = [name for name, kind in (rows.features or {}).items() if isinstance(kind, dict)]
    return rows.map(flatten_row, remove_columns=nested) if nested else rows


def _read_path(
    source: str, config_name: str | None, labelled: bool, streaming: bool, options: dict[str, Any]
) -> Splits:
    path = Path(source).expanduser()
    if path.is_file():
        if config_name is not None:
            raise ValueError(f"{source} is a file; config_name={config_name!r} applies to a folder or a Hub dataset.")
        if streaming:
            return IterableDatasetDict(train=stream_file(path, **options))
        return read_files({"train": [str(path)]}, labelled=labelled, **options)
    if path.is_dir():
        with reading_errors(source):
            return _read_folder(path, config_name, labelled, streaming, options)
    if source.startswith((".", "/", "~")) or is_data_file(source) or source.count("/") > 1:
        raise FileNotFoundError(f"There is no file or folder {source}.")
    with reading_errors(source):
        _check_hub(source)
        return datasets.load_dataset(source, config_name, streaming=streaming)


def _read_folder(
    path: Path, config_name: str | None, labelled: bool, streaming: bool, options: dict[str, Any]
) -> Splits:
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        loaded = datasets.load_from_disk(str(path))
        return loaded if isinstance(loaded, DatasetDict) else DatasetDict(train=loaded)
    if class_folders := _find_class_folders(path):
        return _read_class_folders(class_folders, options["encoding"])
    files, separator = _find_files(path, config_name)
    options = options | {"separator": options["separator"] or (None if separator in ",\t" else separator)}
    if options["notes"] is not None:
        options["notes"] += _describe_unread(path, files)
    if not all(is_data_file(name) for names in files.values() for name in names):
        cache = None if streaming else content_cache(files)
        try:
            return datasets.load_dataset(str(path), config_name, streaming=streaming, cache_dir=cache)
        except datasets.exceptions.DataFilesNotFoundError:  # has none of the files of a builder, such as images
            raise FileError(NO_FILES.format(path)) from None
    if streaming:
        return IterableDatasetDict(
            {split: concatenate_datasets([stream_file(n, **options) for n in names]) for split, names in files.items()}
        )
    return read_files(files, labelled=labelled, **options)


def _find_files(path: Path, config_name: str | None) -> tuple[dict[str, list[str]], str]:
    """Return the files of each split of a folder, and the separator of csv files, which its metadata may set."""
    try:
        config: Any = datasets.load_dataset_builder(str(path), config_name).config
        found, separator = config.data_files, getattr(config, "sep", ",")
    except (FileNotFoundError, ValueError) as error:
        # `datasets` does not find spreadsheets, and refuses splits in different formats. A folder with a card may say
        # which files are its splits.
        is_mixed = isinstance(error, FileNotFoundError) or "same data file format" in str(error)
        if not is_mixed or config_name is not None or (path / "README.md").is_file():
            raise FileError(f"{one_line(error).partition(' with any supported')[0]}.") from None
        try:
            patterns = get_data_patterns(str(path))
            found = DataFilesDict.from_patterns(patterns, str(path), allowed_extensions=list(FILE_SUFFIXES))
        except FileNotFoundError:
            found = {}
        separator = ","
    files = {str(split): list(names) for split, names in found.items() if names}
    if not files:
        raise FileError(NO_FILES.format(path))
    return files, separator


def _describe_unread(path: Path, files: dict[str, list[str]]) -> list[str]:
    """Return a sentence about the data files of a folder that belong to no split, such as b.csv next to train.csv."""
    used = {Path(name).resolve() for names in files.values() for name in names}
    others = [file for file in sorted(path.rglob("*")) if file.is_file() and file.resolve() not in used]
    names = [str(file.relative_to(path)) for file in others]
    # Hidden files are those of git and of the Hub. A zip file of any name is not opened.
    unread = [name for name in names if not re.search(r"(^|[/\\])\.", name) and format_suffix(name) in FILE_SUFFIXES]
    return [f"Did not read {format_names(unread)} in {path}."] if unread else []


def _find_class_folders(path: Path) -> dict[str, list[Path]]:
    """Return the folders of txt files, one per class, of each split, or nothing if the folder has another layout.

    The layout is `CLASS/*.txt` or, as in `aclImdb`, `SPLIT/CLASS/*.txt`.
    """
    splits = {}
    for split_folder in sorted(folder for folder in path.iterdir() if folder.is_dir() and folder.name in SPLIT_NAMES):
        if folders := _folders_of_texts(split_folder):
            splits[split_folder.name] = folders
    return splits or ({"train": folders} if (folders := _folders_of_texts(path)) else {})


def _folders_of_texts(path: Path) -> list[Path]:
    folders = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and next(folder.glob("*.txt"), None)]
    return [] if len(folders) < 2 or any(folder.name in SPLIT_NAMES for folder in folders) else folders


def _read_class_folders(splits: dict[str, list[Path]], encoding: str | None) -> DatasetDict:
    """Read each file as one text with the name of its folder as label; folders of unlabelled texts have no label."""
    rows: dict[str, list[dict[str, str | None]]] = {}
    for split, folders in splits.items():
        for folder in folders:
            is_unlabelled = folder.name.lower() in UNLABELLED_FOLDERS
            target = rows.setdefault("unsupervised" if is_unlabelled else split, [])
            for file in sorted(folder.glob("*.txt")):
                with open_text(detect_format(str(file), encoding=encoding)) as text:
                    target.append({"text": clean_text(text.read()), "label": None if is_unlabelled else folder.name})
    features = Features({"text": Value("string"), "label": Value("string")})
    return DatasetDict({split: Dataset.from_list(texts, features) for split, texts in rows.items()})


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
