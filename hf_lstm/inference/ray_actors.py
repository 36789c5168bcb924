"""Predict files on the actors of Ray: on the cores of this machine, or on those of a cluster."""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..messages import format_count
from .batch_predictor import use_one_thread
from .many_files import FileResult, FileScorer, Job

# The prediction of a file is repeated this many times if its process ends, for example for lack of memory.
RETRIES = 2

# Actors exchange only names and counts; this is the least memory that Ray accepts for objects.
OBJECT_BYTES = 80_000_000


@dataclass(frozen=True)
class RayActors:
    """A [`Runner`] that scores files on the actors of Ray.

    Each actor is a process with one thread that loads the model once, and then predicts one file at a time. If it ends,
    another actor is started, and its file is repeated after the others. Each machine needs this package, and must reach
    the model and the files.

    Args:
        count: Number of actors; by default the number of cores.
        address: Address of a cluster, as in `ray.init`, such as `auto`; by default, Ray is started on this machine.
    """

    count: int | None = None
    address: str | None = None

    def __call__(self, scorer: FileScorer, jobs: Sequence[Job]) -> Iterator[FileResult]:
        """Yield the result of each file when it is there.

        Args:
            scorer: Predicts a file.
            jobs: Paths of the input and output files.

        Raises:
            ImportError: Ray is not installed.
            ValueError: There are more actors than cores, or no core.
            OSError: The cluster cannot be reached, or an actor cannot be started.
        """
        ray = _import_ray()
        is_started = not ray.is_initialized()
        if is_started:
            self._start(ray)
        try:
            cores = int(ray.cluster_resources().get("CPU", 0))
            if (wanted := self.count or 1) > cores:
                found = f"The cluster has {format_count(cores, 'core')}, too few for {format_count(wanted, 'actor')}"
                raise ValueError(f"{found}; lower --actors, or add a machine.")
            yield from _score(ray, scorer, jobs, min(self.count or cores, len(jobs)))
        finally:
            if is_started:
                ray.shutdown()

    def _start(self, ray: Any) -> None:
        options = {"num_cpus": self.count, "object_store_memory": OBJECT_BYTES, "include_dashboard": False}
        try:
            ray.init(
                address=self.address or "local",
                logging_level="ERROR",
                log_to_driver=False,
                **({} if self.address else options),
            )
        except (ConnectionError, RuntimeError) as error:
            raise OSError(f"Ray could not be started or reached: {error}") from None


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no reports to the makers of Ray
    try:
        import ray
    except ImportError:
        raise ImportError('Ray is missing; run: pip install "hf_lstm[ray]"') from None
    return ray


class _Actor:
    def __init__(self, scorer: FileScorer):
        use_one_thread()
        self.score = scorer.load()

    def predict(self, job: Job) -> FileResult:
        return self.score(job)


def _score(ray: Any, scorer: FileScorer, jobs: Sequence[Job], count: int) -> Iterator[FileResult]:
    actor_class = ray.remote(num_cpus=1)(_Actor)
    idle = [actor_class.remote(scorer) for _ in range(count)]
    try:
        ray.get([actor.__ray_ready__.remote() for actor in idle])
    except ray.exceptions.RayError as error:
        raise OSError(f"An actor could not be started: {str(error).strip().splitlines()[-1]}") from None
    waiting, ended = deque(jobs), Counter[Job]()
    running: dict[Any, tuple[Any, Job]] = {}
    while waiting or running:
        while idle and waiting:
            actor, job = idle.pop(), waiting.popleft()
            running[actor.predict.remote(job)] = (actor, job)
        # Ray ends an actor that got no job, because nothing refers to it. Its core is then free for a new actor.
        idle, actor = [], None
        (done,), _ = ray.wait(list(running))
        actor, job = running.pop(done)
        try:
            result, idle = ray.get(done), [actor]
        except ray.exceptions.RayError:  # the process has ended
            result, idle = None, [actor_class.remote(scorer)]
            ended[job] += 1
            if ended[job] <= RETRIES:
                waiting.append(job)
            else:
                result = FileResult(job[0], error=f"The process that predicted {job[0]} ended, {ended[job]} times.")
        if result is not None:
            yield result
