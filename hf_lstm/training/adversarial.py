"""Adversarial training: learn each batch also with embeddings that are changed to increase its loss."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class EmbeddingAdversary:
    """
    Add to the embeddings of each text a perturbation of fixed length in the direction of the gradient of its loss.

    A classifier that is also trained on perturbed texts relies less on single words, such as the names in a film
    review. The method is that of Miyato, Dai and Goodfellow (2017, https://huggingface.co/papers/1605.07725), with one
    difference: they normalize the embeddings, and here the length is relative to the mean length of an embedding.

    After the backward pass of a batch, repeat forward and backward pass within [`attack`].

    Args:
        embedding: Embedding layer of the model in training.
        size: Length of the perturbation of a text, over all its tokens, in mean lengths of an embedding.

    Raises:
        ValueError: `size` is not positive.
    """

    def __init__(self, embedding: nn.Embedding, size: float):
        if not size > 0:
            raise ValueError(f"`adversarial_size` must be positive, got {size}.")
        self.embedding = embedding
        self.size = size
        self.embedded: torch.Tensor | None = None  # (batch, seq, embedding_size), of the last forward pass
        self.perturbation: torch.Tensor | None = None  # the same shape, only within `attack`
        embedding.register_forward_hook(self._on_forward)

    def _on_forward(self, module: nn.Module, inputs: tuple, embedded: torch.Tensor) -> torch.Tensor | None:
        if not (module.training and torch.is_grad_enabled()):
            return None
        if self.perturbation is not None:
            return embedded + self.perturbation
        # The gradient is also needed if the embeddings themselves are frozen.
        self.embedded = embedded if embedded.requires_grad else embedded.detach().requires_grad_()
        self.embedded.retain_grad()
        return self.embedded

    @contextmanager
    def attack(self) -> Iterator[None]:
        """
        Perturb the embeddings of the batch whose backward pass was the last one.

        Raises:
            RuntimeError: There was no forward and backward pass in training mode before.
        """
        if self.embedded is None or self.embedded.grad is None:
            raise RuntimeError("`attack` needs a forward and a backward pass in training mode before.")
        gradient = self.embedded.grad  # (batch, seq, embedding_size)
        lengths = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)  # (batch, 1, 1)
        unit = torch.linalg.vector_norm(self.embedding.weight.detach(), dim=1).mean()
        direction = torch.where(lengths > 0, gradient / lengths, 0.0)  # a text without tokens has no gradient
        self.perturbation = self.size * unit * direction  # (batch, seq, embedding_size)
        try:
            yield
        finally:
            self.perturbation = self.embedded = None
