"""Fit a training into a time budget: measure the speed, choose the number of steps, reduce the model if needed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..models import LstmForCausalLM
from .loop import LoopSettings, StreamTrainer, shuffled_streams
from .precision import without_copy_warning
from .tokenized import TokenTexts

# Passes over the tokens: with fewer a smaller model learns more, more are not made.
MIN_EPOCHS, MAX_EPOCHS = 2.0, 12.0

# Share of the budget in which speeds are measured: the first minute of nine.
TRIAL_SHARE = 1 / 9

# Blocks that prepare the kernels, and blocks that are timed at a time.
WARMUP_BLOCKS, TIMED_BLOCKS = 2, 5

# Blocks after which the speed is known well enough.
MAX_TIMED_BLOCKS = 100

# Smallest number of units to which a model is reduced.
MIN_HIDDEN_SIZE = 32


class Budget:
    """
    Time that a command may take.

    Args:
        seconds: The time.
        started: Value of `time.monotonic()` at which the command started (default: now).
    """

    def __init__(self, seconds: float, started: float | None = None):
        self.seconds, self.started = seconds, time.monotonic() if started is None else started

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def remaining(self) -> float:
        return self.seconds - self.elapsed()

    def deadline(self, share: float = 1.0) -> float:
        """Return the value of `time.monotonic()` at which a share of the budget is used."""
        return self.started + share * self.seconds


@dataclass(frozen=True)
class ModelSize:
    """Width of the embeddings, units of a layer, and number of layers."""

    embedding_size: int
    hidden_size: int
    num_hidden_layers: int

    def half(self) -> "ModelSize":
        """Return half the width, rounded to multiples of 8, which GPUs need for fast kernels."""

        def halve(width: int) -> int:
            return max(8, width // 2 // 8 * 8)

        return ModelSize(halve(self.embedding_size), halve(self.hidden_size), self.num_hidden_layers)

    def __str__(self) -> str:
        layers = f"{self.num_hidden_layers} layer{'' if self.num_hidden_layers == 1 else 's'}"
        return f"{layers} of {self.hidden_size} units, embeddings of {self.embedding_size}"


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@without_copy_warning()
def measure_speed(
    model: LstmForCausalLM, texts: TokenTexts, settings: LoopSettings, dtype: torch.dtype, seconds: float
) -> float:
    """
    Measure the tokens per second of training steps. The model is trained by the measurement and should not be used.

    Args:
        model: A model of the size to measure, on its device.
        texts: Texts to train on.
        settings: Hyperparameters.
        dtype: Precision of the computation.
        seconds: About how long to measure.
    """
    trainer = StreamTrainer(model, settings, total_steps=1_000, dtype=dtype)
    begun = time.monotonic()
    blocks = tokens = 0
    started = begun
    for streams in shuffled_streams(texts, settings, model.config.reverse, model.device):
        trainer.start_epoch()
        for input_ids, labels in streams:
            trainer.step(input_ids, labels)
            blocks, tokens = blocks + 1, tokens + input_ids.numel()
            if blocks > WARMUP_BLOCKS and blocks % TIMED_BLOCKS:
                continue  # not waited for: a GPU is faster when its queue does not run empty
            synchronize(model.device)
            now = time.monotonic()
            if now - begun >= seconds or blocks >= MAX_TIMED_BLOCKS:
                return tokens / (now - started)
            if blocks <= WARMUP_BLOCKS:
                started, tokens = now, 0
    raise AssertionError("the streams have no end")


@dataclass(frozen=True)
class Fit:
    """
    A model size that fits the budget.

    Args:
        size: The size.
        total_steps: Number of training steps that fit.
        tokens_per_second: Measured speed.
        reduced: A sentence for each size that was too large.
    """

    size: ModelSize
    total_steps: int
    tokens_per_second: float
    reduced: tuple[str, ...]


def fit_to_budget(
    build: Callable[[ModelSize], LstmForCausalLM],
    size: ModelSize,
    texts: TokenTexts,
    settings: LoopSettings,
    dtype: torch.dtype,
    budget: Budget,
    training_seconds: float,
) -> Fit:
    """
    Measure the speed and halve the model until the time is enough for `MIN_EPOCHS` passes over the tokens.

    Args:
        build: Makes a new model of a size, on the device to train on.
        size: The largest size to try.
        texts: Texts to train on.
        settings: Hyperparameters.
        dtype: Precision of the computation.
        budget: At most `TRIAL_SHARE` of it is spent here.
        training_seconds: Seconds for measuring and training.

    Returns:
        The size and the number of steps, at most `MAX_EPOCHS` passes.
    """
    started = time.monotonic()
    trial_seconds = TRIAL_SHARE * budget.seconds
    block_tokens = settings.batch_size * settings.block_size
    reduced: list[str] = []
    while True:
        speed = measure_speed(build(size), texts, settings, dtype, trial_seconds / 6)
        seconds = training_seconds - (time.monotonic() - started)
        epochs = max(0.0, seconds) * speed / len(texts.tokens)
        measured_long_enough = time.monotonic() - started >= trial_seconds
        if epochs >= MIN_EPOCHS or size.hidden_size <= MIN_HIDDEN_SIZE or measured_long_enough:
            break
        reduced.append(
            f"{size} trains {speed:,.0f} tokens per second, which is {epochs:.2f} passes over "
            f"{len(texts.tokens):,} tokens in {seconds:.0f} s: reduced to {size.half()}."
        )
        size = size.half()
    steps = int(min(epochs, MAX_EPOCHS) * len(texts.tokens) / block_tokens)
    return Fit(size, max(1, steps), speed, tuple(reduced))
