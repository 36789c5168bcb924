"""Write the files of a folder completely or not at all."""

import filecmp
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Start of the name of a folder that is being written; the Trainer uploads nothing that starts with "_".
PARTIAL = "_partial-"

# After which such a folder is taken for that of a process that was killed.
ABANDONED_SECONDS = 3_600


@contextmanager
def atomic_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """
    Gives a new folder to write to; only when all is written do its files replace those of the same name in `folder`.

    A process that is killed or a disk that is full while writing leaves the files of before. A file that did not change
    is not touched: to save a model of the same shape again replaces the weights alone, which is one atomic step.

    Args:
        folder: Where the files end up; made if needed.

    Yields:
        The folder to write to, on the same disk.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{PARTIAL}*"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as partial:
        yield Path(partial)
        for path in sorted(Path(partial).iterdir()):
            target = folder / path.name
            if not (target.is_file() and filecmp.cmp(path, target, shallow=False)):
                with open(path, "rb+") as written:
                    os.fsync(written.fileno())
                os.replace(path, target)
