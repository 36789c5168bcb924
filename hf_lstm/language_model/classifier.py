"""Fine-tune a classifier on a pretrained language model (ULMFiT).

The method is that of Howard and Ruder (2018, https://huggingface.co/papers/1801.06146): a head on the concatenation of
the last, the maximum and the mean output, learning rates that fall from layer to layer, and layers that are unfrozen
one after the other.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import get_cosine_schedule_with_warmup

from ..models import LstmForSequenceClassification
from .loop import WARMUP, LoopSettings, build_optimizer
from .precision import MasterWeights, without_copy_warning
from .tokenized import TokenTexts

# Ratio of the learning rates of neighbouring layers (ULMFiT).
LAYER_DECAY = 1 / 2.6

# Peak learning rate of the head in the phases in which layers are unfrozen, and when all layers learn.
PHASE_RATES = (1e-2, 5e-3, 3e-3, 2e-3)

# Dropout before the head.
HEAD_DROPOUT = 0.4


@dataclass(frozen=True)
class FineTuningSettings:
    """
    Hyperparameters of the fine-tuning.

    Args:
        batch_tokens: Number of tokens in a training batch, padding included: 64 reviews of 500 tokens.
        evaluation_tokens: The same where no gradient is computed.
        max_length: Number of tokens of a training text that are read. Evaluation reads all.
        final_epochs: Most epochs in which all layers learn.
        seed: Seed of the order of the texts.
    """

    batch_tokens: int = 32_000
    evaluation_tokens: int = 64_000
    max_length: int = 1000
    final_epochs: int = 4
    seed: int = 42


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with the label id of each, `(texts,)`."""

    texts: TokenTexts
    labels: np.ndarray


@dataclass(frozen=True)
class FineTuningResult:
    """
    Result of a fine-tuning.

    Args:
        validation_accuracy: Accuracy of the weights that were kept.
        accuracies: Validation accuracy after each epoch.
        seconds: Seconds of training and validation.
        stopped_early: Whether the deadline ended it before all epochs were done.
    """

    validation_accuracy: float
    accuracies: tuple[float, ...]
    seconds: float
    stopped_early: bool


def layer_groups(model: LstmForSequenceClassification) -> list[list[nn.Parameter]]:
    """Return the parameters from top to bottom: head, recurrent layers from last to first, embeddings."""
    parts = [model.classifier, *reversed(model.model.layers), model.model.embed_tokens]
    return [list(part.parameters()) for part in parts]


def phases(num_layers: int, final_epochs: int) -> list[tuple[int, int, float]]:
    """Return the number of groups, epochs and learning rate of each phase: one more layer per phase, then all."""
    unfreezing = [(depth, 1, PHASE_RATES[min(depth - 1, 2)]) for depth in range(1, num_layers + 1)]
    return [*unfreezing, (num_layers + 2, final_epochs, PHASE_RATES[-1])]


@without_copy_warning()
@torch.inference_mode()
def predict_probabilities(
    model: LstmForSequenceClassification, texts: TokenTexts, batch_tokens: int, dtype: torch.dtype = torch.float32
) -> np.ndarray:
    """
    Return the probabilities of each text, read to its end.

    Args:
        model: The classifier; it is put into evaluation mode.
        texts: The texts.
        batch_tokens: Number of tokens in a batch, padding included.
        dtype: Precision of the computation.

    Returns:
        `(texts, num_labels)`, in the order of the texts.
    """
    weights = MasterWeights(model.eval(), dtype)
    weights.update_copy()
    found = torch.zeros(len(texts), model.classifier.out_features, device=model.device)
    for batch in texts.length_batches(batch_tokens):
        inputs = texts.pad(batch, model.config.pad_token_id or 0)
        logits = weights.working(**to_device(inputs, model.device)).logits
        found[torch.from_numpy(batch).to(model.device)] = logits.float().softmax(1)
    return found.cpu().numpy()


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float((probabilities.argmax(1) == labels).mean())


def to_device(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


class FineTuner:
    """
    Trains a classifier epoch by epoch and keeps the weights that are best on the validation texts.

    Args:
        model: Classifier on a pretrained backbone, in fp32 and on its device.
        train: Texts to learn from.
        validation: Texts on which the weights are chosen.
        settings: Hyperparameters.
        dtype: Precision of the computation.
    """

    def __init__(
        self,
        model: LstmForSequenceClassification,
        train: LabelledTexts,
        validation: LabelledTexts,
        settings: FineTuningSettings,
        dtype: torch.dtype,
    ):
        self.model, self.train_texts, self.validation = model, train, validation
        self.settings, self.dtype, self.device = settings, dtype, model.device
        self.generator = np.random.default_rng(settings.seed)
        self.lengths = np.minimum(train.texts.lengths, settings.max_length)
        self.accuracies: list[float] = []
        self.best: dict[str, torch.Tensor] = {}

    def run_phase(self, depth: int, epochs: int, learning_rate: float, may_go_on: Callable[[], bool]) -> None:
        """
        Train the first `depth` groups of [`layer_groups`] for some epochs with a one-cycle learning rate.

        Args:
            depth: Number of groups that learn.
            epochs: Number of epochs.
            learning_rate: Peak learning rate of the head.
            may_go_on: Asked after each epoch.
        """
        groups = layer_groups(self.model)
        for position, group in enumerate(groups):
            for parameter in group:
                parameter.requires_grad_(position < depth)
        settings = LoopSettings(learning_rate=learning_rate)
        rates = [{"params": group, "lr": learning_rate * LAYER_DECAY**i} for i, group in enumerate(groups[:depth])]
        optimizer = build_optimizer(rates, settings)
        weights = MasterWeights(self.model, self.dtype)
        batches = [self._batches() for _ in range(epochs)]
        total = sum(map(len, batches))
        schedule = get_cosine_schedule_with_warmup(optimizer, int(WARMUP * total), total)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        for epoch in batches:
            self.model.train()
            for batch in epoch:
                weights.update_copy()
                scaler.scale(self._loss(weights.working, batch)).backward()
                weights.collect_gradients()
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_([p for group in groups[:depth] for p in group], settings.max_grad_norm)
                scaler.step(optimizer)
                scaler.update()
                schedule.step()
                optimizer.zero_grad()
            self._validate()
            if not may_go_on():
                break

    def _batches(self) -> list[np.ndarray]:
        return TokenTexts(np.zeros(self.lengths.sum(), np.uint8), self.lengths).length_batches(
            self.settings.batch_tokens, self.generator
        )

    def _loss(self, model: nn.Module, batch: np.ndarray) -> torch.Tensor:
        inputs = self.train_texts.texts.pad(batch, self.model.config.pad_token_id or 0, self.settings.max_length)
        inputs["labels"] = torch.from_numpy(self.train_texts.labels[batch].astype(np.int64))
        inputs = to_device(inputs, self.device)
        labels = inputs.pop("labels")
        return F.cross_entropy(model(**inputs).logits.float(), labels)

    def _validate(self) -> None:
        found = predict_probabilities(self.model, self.validation.texts, self.settings.evaluation_tokens, self.dtype)
        self.accuracies.append(accuracy(found, self.validation.labels))
        if self.accuracies[-1] >= max(self.accuracies):
            self.best = copy.deepcopy(self.model.state_dict())


@without_copy_warning()
def fine_tune(
    model: LstmForSequenceClassification,
    train: LabelledTexts,
    validation: LabelledTexts,
    settings: FineTuningSettings,
    dtype: torch.dtype = torch.float32,
    deadline: float = math.inf,
    report: Callable[[str], None] = print,
) -> FineTuningResult:
    """
    Fine-tune a classifier with gradual unfreezing and keep the weights that are best on the validation texts.

    Args:
        model: Classifier on a pretrained backbone, in fp32, on the device to train on. It is trained in place.
        train: Texts to learn from.
        validation: Texts on which the weights are chosen.
        settings: Hyperparameters.
        dtype: Precision of the computation; the weights stay in fp32.
        deadline: Value of `time.monotonic()` by which to be done. An epoch that would not end in time is not started,
            except for the first.
        report: Receives a line per epoch.

    Returns:
        The result. The model is trained in place and put into evaluation mode.
    """
    tuner = FineTuner(model, train, validation, settings, dtype)
    started = time.monotonic()
    plan = phases(len(model.model.layers), settings.final_epochs)
    all_epochs = sum(epochs for _, epochs, _ in plan)

    def seconds_per_epoch() -> float:
        return (time.monotonic() - started) / len(tuner.accuracies)

    def may_go_on() -> bool:
        return time.monotonic() + 1.5 * seconds_per_epoch() < deadline  # with more layers an epoch takes longer

    for depth, epochs, learning_rate in plan:
        if tuner.accuracies:
            fit = int((deadline - time.monotonic()) / seconds_per_epoch()) if math.isfinite(deadline) else epochs
            epochs = max(1, min(epochs, fit))
        before = len(tuner.accuracies)
        tuner.run_phase(depth, epochs, learning_rate, may_go_on)
        found = "  ".join(f"{value:.4f}" for value in tuner.accuracies[before:])
        report(f"{depth} layer groups learn   validation accuracy {found}")
        if not may_go_on():
            break
    model.load_state_dict(tuner.best)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    model.eval()
    stopped = len(tuner.accuracies) < all_epochs
    return FineTuningResult(
        max(tuner.accuracies), tuple(tuner.accuracies), time.monotonic() - started, stopped_early=stopped
    )
