# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Pooling: how the outputs of the last layer, one per token, become one vector per text.

A pooling is an immutable object that holds what has to be kept of the tokens read so far. Its size does not depend on
the number of tokens, so that a text can be read in parts:

    pooling = POOLINGS["mean"].start(like)
    pooling = pooling.update(outputs, mask, last)    # once per part
    vector = pooling.vector()                        # (batch, multiple * features)
"""

from dataclasses import dataclass, fields
from typing import ClassVar, TypeVar

import torch

Self = TypeVar("Self", bound="Pooling")


@dataclass(frozen=True)
class Pooling:
    """Base class; a subclass has one field per tensor that it keeps, with the batch as the first dimension."""

    # Length of the pooled vector, in multiples of the number of output features.
    multiple: ClassVar[int] = 1

    @classmethod
    def start(cls: type[Self], like: torch.Tensor, total_dtype: torch.dtype = torch.float32) -> Self:
        """
        Return the pooling before the first token.

        Args:
            like: `(batch, features)`, gives the shape, device and data type of the outputs.
            total_dtype: Lowest precision for sums over tokens. In half precision, a sum over a long text stops growing.
        """
        raise NotImplementedError

    def update(self: Self, outputs: torch.Tensor, mask: torch.Tensor | None, last: torch.Tensor) -> Self:
        """
        Return the pooling after more tokens.

        Args:
            outputs: `(batch, seq, features)`, outputs of the last layer, finite also at padding.
            mask: `(batch, seq)`, 0 at padding; `None` if there is no padding.
            last: `(batch, features)`, for each direction the output at the last token that it has read, also if that
                token was in an earlier part.
        """
        raise NotImplementedError

    def running(self: Self, outputs: torch.Tensor) -> Self:
        """
        Return the pooling after each of the next tokens.

        Args:
            outputs: `(batch, seq, features)`, outputs of a model that reads forward, without padding before a token.

        Returns:
            A pooling whose tensors have the dimensions `(batch, seq, ...)`.
        """
        raise NotImplementedError

    def vector(self) -> torch.Tensor:
        """Return the pooled vector, `(batch, multiple * features)`."""
        raise NotImplementedError

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors by name, to store them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_tensors(cls: type[Self], tensors: dict[str, torch.Tensor]) -> Self:
        """Return the pooling with these tensors; names that it does not have are ignored."""
        return cls(**{field.name: tensors[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class LastPooling(Pooling):
    """The output at the last token of the text (at its first token for the backward direction)."""

    last: torch.Tensor  # (batch, features)

    @classmethod
    def start(cls, like: torch.Tensor, total_dtype: torch.dtype = torch.float32) -> "LastPooling":
        return cls(torch.zeros_like(like))

    def update(self, outputs: torch.Tensor, mask: torch.Tensor | None, last: torch.Tensor) -> "LastPooling":
        return LastPooling(last)

    def running(self, outputs: torch.Tensor) -> "LastPooling":
        return LastPooling(outputs)

    def vector(self) -> torch.Tensor:
        return self.last


@dataclass(frozen=True)
class MaxPooling(Pooling):
    """The maximum of each feature over the tokens; 0 for a text without tokens."""

    highest: torch.Tensor  # (batch, features), minus infinity before the first token

    @classmethod
    def start(cls, like: torch.Tensor, total_dtype: torch.dtype = torch.float32) -> "MaxPooling":
        return cls(torch.full_like(like, -torch.inf))

    def update(self, outputs: torch.Tensor, mask: torch.Tensor | None, last: torch.Tensor) -> "MaxPooling":
        if mask is not None:  # adding is faster than filling the outputs
            outputs = outputs + outputs.new_zeros(mask.shape).masked_fill(mask == 0, -torch.inf)[..., None]
        # `amax` is faster, but its gradient is slower than that of `max`.
        highest = outputs.max(1).values if outputs.requires_grad else outputs.amax(1)
        return MaxPooling(torch.maximum(self.highest, highest))

    def running(self, outputs: torch.Tensor) -> "MaxPooling":
        return MaxPooling(torch.maximum(self.highest[:, None], outputs.cummax(1).values))  # (batch, seq, features)

    def vector(self) -> torch.Tensor:
        return self.highest.masked_fill(self.highest == -torch.inf, 0)


@dataclass(frozen=True)
class MeanPooling(Pooling):
    """The mean of each feature over the tokens; 0 for a text without tokens."""

    total: torch.Tensor  # (batch, features), at least in single precision
    count: torch.Tensor  # (batch, 1), number of tokens

    @classmethod
    def start(cls, like: torch.Tensor, total_dtype: torch.dtype = torch.float32) -> "MeanPooling":
        total = torch.zeros_like(like, dtype=torch.promote_types(like.dtype, total_dtype))
        return cls(total, torch.zeros_like(like[:, :1], dtype=torch.long))

    def update(self, outputs: torch.Tensor, mask: torch.Tensor | None, last: torch.Tensor) -> "MeanPooling":
        if mask is None:
            return MeanPooling(self.total + outputs.sum(1, dtype=self.total.dtype), self.count + outputs.shape[1])
        real = (mask != 0)[..., None]  # (batch, seq, 1)
        total = (outputs * real.to(outputs.dtype)).sum(1, dtype=self.total.dtype)  # faster than filling the outputs
        return MeanPooling(self.total + total, self.count + real.sum(1))

    def running(self, outputs: torch.Tensor) -> "MeanPooling":
        total = self.total[:, None] + outputs.cumsum(1, dtype=self.total.dtype)  # (batch, seq, features)
        steps = torch.arange(1, outputs.shape[1] + 1, device=outputs.device)[:, None]  # (seq, 1)
        return MeanPooling(total, self.count[:, None] + steps)

    def vector(self) -> torch.Tensor:
        return self.total / self.count.clamp(min=1)


@dataclass(frozen=True)
class ConcatPooling(Pooling):
    """Last, max and mean pooling side by side (ULMFiT, https://huggingface.co/papers/1801.06146)."""

    parts: tuple[Pooling, ...]

    kinds: ClassVar[tuple[type[Pooling], ...]] = (LastPooling, MaxPooling, MeanPooling)
    multiple: ClassVar[int] = sum(kind.multiple for kind in kinds)

    @classmethod
    def start(cls, like: torch.Tensor, total_dtype: torch.dtype = torch.float32) -> "ConcatPooling":
        return cls(tuple(kind.start(like, total_dtype) for kind in cls.kinds))

    def update(self, outputs: torch.Tensor, mask: torch.Tensor | None, last: torch.Tensor) -> "ConcatPooling":
        return ConcatPooling(tuple(part.update(outputs, mask, last) for part in self.parts))

    def running(self, outputs: torch.Tensor) -> "ConcatPooling":
        return ConcatPooling(tuple(part.running(outputs) for part in self.parts))

    def vector(self) -> torch.Tensor:
        return torch.cat([part.vector() for part in self.parts], dim=-1)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: tensor for part in self.parts for name, tensor in part.tensors().items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor]) -> "ConcatPooling":
        return cls(tuple(kind.from_tensors(tensors) for kind in cls.kinds))


POOLINGS: dict[str, type[Pooling]] = {
    "last": LastPooling,
    "max": MaxPooling,
    "mean": MeanPooling,
    "concat": ConcatPooling,
}
