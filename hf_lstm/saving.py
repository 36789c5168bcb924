"""Write the files of a folder either completely or not at all."""

import errno
import filecmp
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

# Prefix of the name of a folder that is being written. The Trainer does not upload files that start with "_".
PARTIAL = "_partial-"

# Numbers of the errors of a full disk and of a used up quota.
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)

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
    umask = os.umask(0)
    os.umask(umask)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as partial:
        yield Path(partial)
        for path in sorted(Path(partial).iterdir()):
            target = folder / path.name
            if not (target.is_file() and filecmp.cmp(path, target, shallow=False)):
                with open(path, "rb+") as written:
                    os.fsync(written.fileno())
                os.chmod(path, 0o666 & ~umask)  # safetensors writes files that only their owner can read
                os.replace(path, target)


@contextmanager
def full_disk_errors(folder: str | os.PathLike, advise: Callable[[], str]) -> Iterator[None]:
    """
    Convert the errors of a full disk or quota to an `OSError` with one sentence.

    Args:
        folder: Folder that is written to.
        advise: Returns sentences about what was kept and what to do; called after an error.

    Raises:
        OSError: The disk is full. Other errors are not changed.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _is_full_disk(error):
            raise
        raise OSError(f"The disk of {folder} is full, or a quota is used up. {advise()}") from error


def _is_full_disk(error: Exception) -> bool:
    """Return whether an error is due to a full disk; safetensors and torch do not raise an `OSError`."""
    if isinstance(error, OSError):
        return error.errno in FULL_DISK
    if isinstance(error, SafetensorError):
        return any(f"os error {code})" in str(error) for code in FULL_DISK)
    # The message of torch does not have the reason, but it fails to write for no other one.
    return "PytorchStreamWriter" in str(error) or "unexpected pos" in str(error)
