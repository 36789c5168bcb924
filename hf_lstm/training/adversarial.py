"""Adversarial training of the embeddings: learn from each batch also as its worst neighbour."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class EmbeddingAdversary:
    """
    Moves the embeddings of a text a small step in the direction that raises its loss the most.

    A classifier that has to be right there too leans less on single words such as the names of a film (Miyato, Dai and
    Goodfellow, 2017, https://huggingface.co/papers/1605.07725). Each batch is read twice: as it is, then attacked.

    Args:
        embedding: Of the model in training.
        size: Length of the step, over all tokens of a text together, in mean lengths of an embedding.
    """

    def __init__(self, embedding: nn.Embedding, size: float):
        if not size > 0:
            raise ValueError(f"The size of an adversarial step must be positive, got {size}.")
        self.embedding = embedding
        self.size = size
        self.embedded: torch.Tensor | None = None
        self.step: torch.Tensor | None = None
        embedding.register_forward_hook(self._on_forward)

    def _on_forward(self, module: nn.Module, inputs: tuple, embedded: torch.Tensor) -> torch.Tensor | None:
        if not (module.training and torch.is_grad_enabled()):
            return None
        if self.step is not None:
            return embedded + self.step
        self.embedded = embedded if embedded.requires_grad else embedded.detach().requires_grad_()  # frozen ones too
        self.embedded.retain_grad()
        return self.embedded

    @contextmanager
    def attack(self) -> Iterator[None]:
        """After the backward pass of a batch: within, the same batch is embedded at its worst."""
        gradient = self.embedded.grad  # (batch, seq, embedding_size)
        lengths = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)  # (batch, 1, 1)
        unit = torch.linalg.vector_norm(self.embedding.weight.detach(), dim=1).mean()
        direction = torch.where(lengths > 0, gradient / lengths, 0.0)  # a text without tokens has no worst
        self.step = self.size * unit * direction
        try:
            yield
        finally:
            self.step = self.embedded = None
