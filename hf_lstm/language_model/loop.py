"""Fast training loop of a recurrent language model on continuous streams."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import get_cosine_schedule_with_warmup

from ..models import CELLS, LstmForCausalLM, State
from .precision import MasterWeights, without_copy_warning
from .streams import TokenStreams
from .tokenized import TokenTexts

# Progress is shown, and the device waited for, this many times in a training.
REPORTS = 100

# Share of the steps in which the learning rate rises.
WARMUP = 0.25

# Size of the sampled softmax: enough for a gradient close to that of the whole vocabulary.
SAMPLED_TOKENS = 2_048


@dataclass(frozen=True)
class LoopSettings:
    """
    Hyperparameters of a training on streams; the defaults are those of ULMFiT (https://huggingface.co/papers/1801.06146).

    Args:
        batch_size: Number of parallel streams.
        block_size: Number of tokens through which gradients flow; the state flows on.
        learning_rate: Peak of the one-cycle learning rate.
        weight_decay: Weight decay of AdamW.
        betas: Decay of the first and second moment of AdamW. A low first one follows the changing gradients of streams.
        max_grad_norm: Norm to which gradients are clipped; without it a recurrent layer diverges at high rates.
        seed: Seed of the order of the texts.
    """

    batch_size: int = 256
    block_size: int = 70
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.7, 0.99)
    max_grad_norm: float = 0.25
    seed: int = 42


@dataclass(frozen=True)
class LoopResult:
    """
    Result of a training.

    Args:
        steps: Number of optimizer steps.
        epochs: Number of passes over the tokens.
        seconds: Seconds of the training, without evaluation.
        tokens_per_second: Predicted tokens per second.
        losses: `(reports,)`, mean training loss between two progress lines.
        stopped_early: Whether the deadline ended the training before its last step.
    """

    steps: int
    epochs: float
    seconds: float
    tokens_per_second: float
    losses: tuple[float, ...]
    stopped_early: bool


def build_optimizer(groups: Iterable[nn.Parameter] | list[dict], settings: LoopSettings) -> torch.optim.AdamW:
    """Return the fused AdamW, which updates all weights in one kernel and does not wait for the device."""
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay, fused=True
    )


def shuffled_streams(
    texts: TokenTexts, settings: LoopSettings, reverse: bool, device: torch.device
) -> Iterator[TokenStreams]:
    """Yield the streams of one epoch after the other, with the texts in a new order each time."""
    generator = np.random.default_rng(settings.seed)
    while True:
        order = generator.permutation(len(texts))
        yield TokenStreams(texts.select(order), settings.batch_size, settings.block_size, reverse, device)


def default_sampled_tokens(device: torch.device, vocab_size: int) -> int:
    """
    Return the number of tokens in the softmax of a training; 0 stands for all tokens.

    On a CPU, the sampled softmax trains five times as many tokens per second. On a GPU, the full softmax is an eighth
    of the work and reaches a lower perplexity after the same number of tokens.

    Args:
        device: Device of the training.
        vocab_size: Number of tokens in the vocabulary. A small one is not sampled.
    """
    return SAMPLED_TOKENS if device.type == "cpu" and vocab_size > 2 * SAMPLED_TOKENS else 0


def detach(state: State, cell_type: str) -> State:
    """Return the state of a cell without its history, so that gradients end at the start of a block."""
    cell = CELLS[cell_type]
    return cell.join([part.detach() for part in cell.split(state)])


class StreamTrainer:
    """
    Trains a language model on blocks of streams and carries the state from block to block.

    A step never waits for the device: the loss is summed up on the device and read by [`StreamTrainer.read_loss`].

    Args:
        model: The language model, in fp32 and on its device.
        settings: Hyperparameters.
        total_steps: Number of steps over which the learning rate rises and falls.
        dtype: Precision of the computation.
    """

    def __init__(self, model: LstmForCausalLM, settings: LoopSettings, total_steps: int, dtype: torch.dtype):
        self.settings, self.device, self.cell_type = settings, model.device, model.config.cell_type
        self.weights = MasterWeights(model.train(), dtype)
        self.parameters = list(model.parameters())
        self.optimizer = build_optimizer(self.parameters, settings)
        self.schedule = get_cosine_schedule_with_warmup(self.optimizer, int(WARMUP * total_steps), total_steps)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.state: State | None = None
        self.loss_sum, self.blocks = torch.zeros((), device=self.device), 0

    def start_epoch(self) -> None:
        """Start the next block from a state of zeros."""
        self.state = None

    def step(self, input_ids: torch.Tensor, labels: torch.Tensor) -> None:
        """Train on one block."""
        self.weights.update_copy()
        output = self.weights.working(input_ids, labels=labels, state=self.state)
        self.state = detach(output.state, self.cell_type)
        self.scaler.scale(output.loss).backward()
        self.weights.collect_gradients()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.parameters, self.settings.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.loss_sum += output.loss.detach()
        self.blocks += 1

    def read_loss(self) -> float:
        """Return the mean loss of the blocks since the last call. This waits for the device."""
        loss = self.loss_sum.item() / max(1, self.blocks)
        self.loss_sum.zero_()
        self.blocks = 0
        return loss


@without_copy_warning()
def train_on_streams(
    model: LstmForCausalLM,
    texts: TokenTexts,
    settings: LoopSettings,
    total_steps: int,
    dtype: torch.dtype = torch.float32,
    deadline: float = math.inf,
    report: Callable[[str], None] = print,
) -> LoopResult:
    """
    Train a language model with truncated backpropagation through time.

    Args:
        model: The language model, in fp32, on the device to train on. `model.config.reverse` sets the direction.
        texts: The texts.
        settings: Hyperparameters.
        total_steps: Number of optimizer steps.
        dtype: Precision of the computation; the weights stay in fp32.
        deadline: Value of `time.monotonic()` after which no further step is made.
        report: Receives the progress lines.

    Returns:
        The result. The model is trained in place and put into evaluation mode.

    Raises:
        ValueError: There are too few tokens.
    """
    trainer = StreamTrainer(model, settings, total_steps, dtype)
    interval = max(1, total_steps // REPORTS)
    started = time.monotonic()
    steps, epochs, tokens, losses = 0, 0.0, 0, []
    stopped = False
    for streams in shuffled_streams(texts, settings, model.config.reverse, model.device):
        trainer.start_epoch()
        for input_ids, labels in streams:
            trainer.step(input_ids, labels)
            steps, tokens = steps + 1, tokens + input_ids.numel()
            epochs += input_ids.shape[1] / streams.steps
            if steps % interval == 0 or steps == total_steps:
                losses.append(trainer.read_loss())
                seconds = time.monotonic() - started
                report(progress_line(steps, total_steps, losses[-1], tokens / seconds, seconds))
                stopped = steps < total_steps and time.monotonic() >= deadline
            if stopped or steps == total_steps:
                break
        if stopped or steps == total_steps:
            break
    seconds = time.monotonic() - started
    model.eval()
    return LoopResult(steps, epochs, seconds, tokens / seconds, tuple(losses), stopped)


def progress_line(step: int, total_steps: int, loss: float, tokens_per_second: float, seconds: float) -> str:
    remaining = seconds / step * (total_steps - step)
    perplexity = math.exp(min(loss, 50))
    return (
        f"step {step:,} of {total_steps:,}   train perplexity {perplexity:.1f}   "
        f"{tokens_per_second:,.0f} tokens/s   {remaining:.0f} s left"
    )


@without_copy_warning()
@torch.inference_mode()
def stream_perplexity(
    model: LstmForCausalLM, texts: TokenTexts, settings: LoopSettings, dtype: torch.dtype = torch.float32
) -> float:
    """
    Return the perplexity over continuous streams, with the state carried from block to block.

    Args:
        model: The language model; it is put into evaluation mode.
        texts: The texts.
        settings: Batch and block size; the batch is reduced so that each stream has at least eight blocks.
        dtype: Precision of the computation.

    Returns:
        The exponential of the mean cross entropy over all predicted tokens.
    """
    weights = MasterWeights(model.eval(), dtype)
    weights.update_copy()
    batch_size = max(1, min(settings.batch_size, len(texts.tokens) // (8 * settings.block_size)))
    streams = TokenStreams(texts, batch_size, settings.block_size, model.config.reverse, model.device)
    state, total = None, torch.zeros((), device=model.device, dtype=torch.float64)
    for input_ids, labels in streams:
        output = weights.working(input_ids, labels=labels, state=state)
        state = output.state
        total += output.loss * input_ids.numel()
    return math.exp(total.item() / streams.predicted_tokens)
