"""Write the files of a folder either completely or not at all."""

import filecmp
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Prefix of the name of a folder that is being written. The Trainer does not upload files that start with "_".
PARTIAL = "_partial-"

# Age after which such a folder is assumed to be from a process that was killed.
ABANDONED_SECONDS = 3_600


@contextmanager
def atomic_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """
    Provide a temporary folder whose files replace those of the same name in `folder` once all of them are written.

    If the process is killed or the disk is full while writing, the previous files remain. A file that did not change is
    not replaced, so that saving a model of the same shape again replaces only its weights, in one atomic step.

    Args:
        folder: Folder for the files; it is created if it does not exist.

    Yields:
        The temporary folder, on the same disk. If the block raises, its files are discarded.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{PARTIAL}*"):
        if time.time() - leftover.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as partial:
        yield Path(partial)
        for path in sorted(Path(partial).iterdir()):
            target = folder / path.name
            if not (target.is_file() and filecmp.cmp(path, target, shallow=False)):
                with open(path, "rb+") as written:
                    os.fsync(written.fileno())
                os.replace(path, target)
