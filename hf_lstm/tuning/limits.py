"""Limits of a search: its time, and the size and latency of the model."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainerCallback

# Bytes of a weight on disk.
BYTES, HALF_BYTES = 4, 2

# Training steps after which the time of a training is first estimated.
PROBE_STEPS = 20


@dataclass(frozen=True)
class Cost:
    """
    What a model costs, known before it is trained.

    Args:
        megabytes: Size of its weights on disk, in 10^6 bytes.
        latency_ms: Milliseconds to classify a text of median length on one thread, including tokenization.
    """

    megabytes: float
    latency_ms: float


@dataclass(frozen=True)
class Limits:
    """
    Largest cost of a model; `None` is no limit.

    Args:
        megabytes: Limit of [`Cost`].
        latency_ms: Limit of [`Cost`].
    """

    megabytes: float | None = None
    latency_ms: float | None = None

    def needs_half_weights(self, parameters: int) -> bool:
        """Return whether a model is too large in single precision, with this number of parameters."""
        return self.megabytes is not None and parameters * BYTES / 1e6 > self.megabytes

    def exceeded(self, cost: Cost) -> str:
        """Return "too large" or "too slow to predict" if the cost is above a limit, otherwise ""."""
        if self.megabytes is not None and cost.megabytes > self.megabytes:
            return "too large"
        if self.latency_ms is not None and cost.latency_ms > self.latency_ms:
            return "too slow to predict"
        return ""


@dataclass
class Budget:
    """
    Time of a search.

    Args:
        seconds: Wall time from now.
        clock: Returns the current time in seconds, the same in all processes.
        reserved: Seconds that are needed after the last trial.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    reserved: float = 0.0
    started: float = field(init=False)

    def __post_init__(self):
        self.started = self.clock()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    @property
    def left(self) -> float:
        """Seconds that are left for trials."""
        return self.seconds - self.reserved - self.spent


class TooSlow(Exception):
    """
    A training does not fit in the time that is left.

    Args:
        epochs: Number of epochs that fit.
        wanted: Number of epochs of the training.
    """

    def __init__(self, epochs: int, wanted: int):
        super().__init__(f"{epochs} of {wanted} epochs fit")
        self.epochs, self.wanted = epochs, wanted


class Watch(TrainerCallback):
    """
    Report the validation metric of a training, and end a training that does not fit in its time.

    Args:
        report: Is called after each evaluation with the finished share of the training and its metrics. It may raise.
        seconds: Time of the training.
        clock: Returns the current time in seconds.
        must_finish: Never raise [`TooSlow`]: when the time is over, stop after the epoch instead, and keep the model.
    """

    def __init__(
        self,
        report: Callable[[float, dict[str, float]], None],
        seconds: float,
        clock: Callable[[], float],
        must_finish: bool,
    ):
        self.report, self.seconds, self.clock, self.must_finish = report, seconds, clock, must_finish
        self.started = clock()
        self.was_stopped = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds -= self.clock() - self.started  # the time to build the Trainer
        self.started = self.clock()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == PROBE_STEPS and not self.must_finish:
            self._check(state)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.report(state.global_step / state.max_steps, kwargs["metrics"])
        if not self.must_finish:
            self._check(state)
        elif self.clock() - self.started > self.seconds and state.global_step < state.max_steps:
            self.was_stopped = control.should_training_stop = True

    def _check(self, state: Any) -> None:
        """Raise an error if the training will end more than one epoch after its time."""
        elapsed = self.clock() - self.started
        per_step = elapsed / state.global_step
        per_epoch = per_step * state.max_steps / state.num_train_epochs
        if per_step * state.max_steps > self.seconds + per_epoch:
            raise TooSlow(int((self.seconds - elapsed) / per_epoch), state.num_train_epochs)
