"""Run trials in several processes."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch

from .search_space import Groups

# Each process needs the memory of a training, 1 to 2 GB with a large corpus.
MAX_PROCESSES = 8

Argument = TypeVar("Argument")
Result = TypeVar("Result")

# The function of a process that [`run_in_processes`] started.
_functions: list[Callable[[Any], Any]] = []


def count_processes(given: Groups, device: torch.device) -> int:
    """
    Return the number of trials that run at the same time: one for each thread of torch, up to 8, or one on a GPU.

    A second thread makes the training of a small model hardly faster. There is also only one if teachers or vectors are
    objects of the user, which may not be possible to send to another process.

    Args:
        given: The arguments of the user.
        device: Device of the training.
    """
    sources = [*(given.data.teacher or ()), given.model.vectors]
    if device.type != "cpu" or not all(isinstance(source, str | None) for source in sources):
        return 1
    return min(torch.get_num_threads(), MAX_PROCESSES)


def run_in_processes(
    function: Callable[[Argument], Result], arguments: Iterable[Argument], processes: int
) -> Iterator[Result]:
    """
    Yield the results of a function, in the order in which they are finished.

    Args:
        function: The function; each process gets a copy, which it keeps from call to call. A process whose memory
            grows is replaced by one with a new copy.
        arguments: Its arguments, which are read when a process is free, up to one for each process at a time.
        processes: Number of processes, each with one thread; 1 is this process.

    Raises:
        concurrent.futures.process.BrokenProcessPool: A process was ended, for example because the memory is full.
    """
    if processes == 1:
        yield from map(function, arguments)
        return
    from joblib import Parallel, delayed

    # Tokenized texts that are kept in memory are not a leak.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
    yield from Parallel(
        processes,
        "loky",
        return_as="generator_unordered",
        pre_dispatch=processes,
        batch_size=1,
        initializer=_prepare,
        initargs=(function,),
    )(delayed(_call)(argument) for argument in arguments)


def is_worker() -> bool:
    """Return whether [`run_in_processes`] started this process."""
    return bool(_functions)


def _prepare(function: Callable[[Any], Any]) -> None:
    from datasets.utils import disable_progress_bars
    from transformers.utils import logging

    torch.set_num_threads(1)
    # The bars of several processes would overwrite each other.
    disable_progress_bars()
    logging.disable_progress_bar()
    _functions.append(function)


def _call(argument: Any) -> Any:
    return _functions[-1](argument)
