"""Predict the rows of many files, on any filesystem that pyarrow supports."""

import json
import os
import posixpath
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, copy_files

from ..messages import format_count, one_line, progress_bar
from .batch_predictor import model_digests
from .files import predict_file
from .loading import Scorer, load_config, load_scorer
from .writers import SUFFIXES

# File of an output folder that says which model predicted the others. Readers of folders leave out hidden files.
RECORD = ".hf_lstm.json"

# In a log file, the progress is printed once in so many seconds.
LINE_SECONDS = 30

# Characters that make a path a pattern.
_MAGIC = "*?["

# Paths of an input and an output file.
Job: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class FileResult:
    """What was done with an input file.

    Args:
        source: Path of the file.
        rows: Number of rows that were written.
        skipped: How many of them have no text and therefore no prediction.
        notes: Sentences of [`predict_file`].
        error: Why the file was not predicted; `None` if it was.
    """

    source: str
    rows: int = 0
    skipped: int = 0
    notes: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class FileScorer:
    """Predict the rows of one file after the other, with a model that is loaded once.

    Args:
        load_model: Returns the function that scores texts, and the config of the model.
        sources: Filesystem of the input files.
        targets: Filesystem of the output files.
        options: Options of [`predict_file`].
    """

    load_model: Callable[[], tuple[Scorer, Any]]
    sources: FileSystem
    targets: FileSystem
    options: Mapping[str, Any]

    def load(self) -> Callable[[Job], FileResult]:
        """Load the model, and return the function that predicts the rows of a file."""
        score_texts, config = self.load_model()

        def score(job: Job) -> FileResult:
            source, target = job
            local, notes = Path(source), list[str]()
            try:
                with tempfile.TemporaryDirectory() as folder:
                    local, scored = Path(folder, "in", Path(source).name), Path(folder, "out", Path(target).name)
                    for path in (local, scored):
                        path.parent.mkdir()
                    copy_files(source, str(local), self.sources, LocalFileSystem())
                    rows, skipped = predict_file(score_texts, config, local, scored, notes=notes, **self.options)
                    _move_to(scored, target, self.targets)
            except Exception as error:  # a damaged file or a full disk must not stop the others
                return FileResult(source, error=one_line(error).replace(str(local), source))
            return FileResult(source, rows, skipped, tuple(note.replace(str(local), source) for note in notes))

        return score


# Scores files, possibly in other processes, and yields the results in any order.
Runner: TypeAlias = Callable[[FileScorer, Sequence[Job]], Iterator[FileResult]]


def run_here(scorer: FileScorer, jobs: Sequence[Job]) -> Iterator[FileResult]:
    """Score files one after the other in this process."""
    return map(scorer.load(), jobs)


def predict_files(
    model: str,
    pattern: str,
    folder: str,
    run: Runner = run_here,
    load: Callable[[str], tuple[Scorer, Any]] = load_scorer,
    graph: str | None = None,
    **options: Any,
) -> tuple[list[FileResult], int]:
    """Predict the rows of files with [`predict_file`], and write one output file for each of them to a folder.

    An output file has the path of its input file below the first folder with a wildcard, and the same name; `.jsonl` is
    added to the name if no table can be written with its suffix. It is copied to a temporary name and then renamed, so
    that every file with its final name is complete. Input files whose output file exists are left out: a job that was
    interrupted continues when it is started again. The hidden file `.hf_lstm.json` says which model predicted them.

    Args:
        model: Folder or Hub id of a trained classifier.
        pattern: Path or URI (`s3://bucket/data/*.parquet`) of the input files, with the wildcards `*`, `**`, `?` and
            `[...]` (no `?` in a URI, where it starts the options of the filesystem).
        folder: Path or URI of the output folder.
        run: Scores the files: in this process, or on the actors of Ray ([`RayActors`]).
        load: Loads the model in each process.
        graph: File in the folder of the model that `load` reads instead of its weights.
        options: Options of [`predict_file`]: `text_column`, `separator` and `encoding`.

    Returns:
        The results of all files that were not left out, and the number of those that were.

    Raises:
        FileNotFoundError: No file matches the pattern.
        ValueError: The model, pattern or folder cannot be used; the message gives the reason.
        OSError: The model or a filesystem cannot be reached.
    """
    model = os.path.expanduser(model)
    load_config(model)  # an error comes before other processes are started
    sources, path = _open_filesystem(pattern)
    targets, root = _open_filesystem(folder)
    jobs = _pair_files(sources, path, root)
    if not jobs:
        raise FileNotFoundError(f"No file matches {pattern}.")
    if targets == sources and {source for source, _ in jobs} & {target for _, target in jobs}:
        raise ValueError(f"{folder} is the folder of the input files; choose another output folder.")
    found = targets.get_file_info([target for _, target in jobs])
    waiting = [job for job, info in zip(jobs, found, strict=True) if info.type == FileType.NotFound]
    targets.create_dir(root, recursive=True)  # a folder that cannot be created is an error before the first file
    _record_model(model, graph, targets, root)
    # Other processes may have another working directory.
    place = os.path.abspath(model) if os.path.isdir(model) else model
    scorer = FileScorer(partial(load, place), sources, targets, options)
    results = list(_with_progress(run(scorer, waiting), len(waiting))) if waiting else []
    return results, len(jobs) - len(waiting)


def _record_model(model: str, graph: str | None, filesystem: FileSystem, folder: str) -> None:
    """Write into an output folder which model predicts its files, or raise an error if it has those of another one."""
    path = posixpath.join(folder, RECORD)
    record = {"model": model, "graph": graph, "digests": list(model_digests(model, graph))}
    if {info.base_name for info in filesystem.get_file_info(FileSelector(folder))} > {RECORD}:
        with filesystem.open_input_stream(path) as file:
            earlier = json.loads(file.read())
        if earlier["digests"] != record["digests"]:
            same = f"{model} {'before it was changed' if earlier.get('graph') == graph else 'with another runner'}"
            other = same if earlier["model"] == model else f"another model, {earlier['model']}"
            raise ValueError(
                f"{folder} has the predictions of {other}: choose another output folder, or delete this one."
            )
        return
    with filesystem.open_output_stream(path) as file:
        file.write(json.dumps(record).encode())


def _with_progress(results: Iterable[FileResult], count: int) -> Iterator[FileResult]:
    """Yield the results, and show a bar on a terminal, or print lines elsewhere."""
    with progress_bar(total=count, unit="file") as progress:
        if progress.disable:
            print(f"{format_count(count, 'file')} to predict ...", file=sys.stderr, flush=True)
        rows, failed, printed = 0, 0, time.monotonic()
        for done, result in enumerate(results, 1):
            rows, failed = rows + result.rows, failed + (result.error is not None)
            progress.set_postfix_str(f"{rows:,} rows, {failed:,} failed")
            progress.update()
            if progress.disable and time.monotonic() - printed >= LINE_SECONDS:
                printed = time.monotonic()
                print(f"{done:,} of {count:,} files, {rows:,} rows, {failed:,} failed", file=sys.stderr, flush=True)
            yield result


def _open_filesystem(location: str) -> tuple[FileSystem, str]:
    """Return a filesystem and a path in it, for a local path or a URI."""
    if "://" in location:
        return FileSystem.from_uri(location)
    return LocalFileSystem(), os.path.abspath(os.path.expanduser(location))


def _pair_files(filesystem: FileSystem, pattern: str, folder: str) -> list[Job]:
    """Return the input files, the largest first so that all processes end together, and their outputs."""
    found = filesystem.get_file_info(pattern).type
    if found == FileType.Directory:
        raise ValueError(f"{pattern} is a folder; give a pattern of its files, such as {posixpath.join(pattern, '*')}.")
    parts = pattern.split("/")
    if found == FileType.File:  # its name may have characters of a pattern
        paths, fixed = [pattern], len(parts) - 1
    else:
        paths = ArrowFSWrapper(filesystem).glob(pattern)
        fixed = next((i for i, part in enumerate(parts) if set(part) & set(_MAGIC)), len(parts) - 1)
    start = "/".join(parts[:fixed])
    found_files = filesystem.get_file_info(paths)
    files = [info for info in found_files if info.type == FileType.File and info.base_name != RECORD]
    jobs = []
    for info in sorted(files, key=lambda info: (-info.size, info.path)):
        name = posixpath.relpath(info.path, start or "/")
        suffix = "" if Path(name).suffix.lower() in SUFFIXES else ".jsonl"
        jobs.append((info.path, posixpath.join(folder, name + suffix)))
    repeated = [target for target, count in Counter(target for _, target in jobs).items() if count > 1]
    if repeated:
        raise ValueError(f"Several input files would be written to {repeated[0]}; rename all but one.")
    return jobs


def _move_to(local: Path, target: str, filesystem: FileSystem) -> None:
    """Move a local file to a filesystem, where it gets its name when it is complete, and leaves nothing if it fails."""
    filesystem.create_dir(posixpath.dirname(target), recursive=True)
    partial = f"{target}.partial"
    try:
        copy_files(str(local), partial, LocalFileSystem(), filesystem)
        filesystem.move(partial, target)
    except BaseException:
        with suppress(OSError):
            filesystem.delete_file(partial)
        raise
