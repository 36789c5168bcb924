"""Reproduce the published checkpoints, and pack the corpus for the language-model recipe."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoints import reproduce_checkpoint
    from .distillation import distil
    from .packing import PACKED_VOCAB_SIZE, pack_corpus
    from .steps import CHECKPOINTS, CORPUS

# Imported when used: the names of the checkpoints are needed where `datasets` is not installed.
_MODULES = {
    "CHECKPOINTS": "steps",
    "CORPUS": "steps",
    "PACKED_VOCAB_SIZE": "packing",
    "distil": "distillation",
    "pack_corpus": "packing",
    "reproduce_checkpoint": "checkpoints",
}

__all__ = ["CHECKPOINTS", "CORPUS", "PACKED_VOCAB_SIZE", "distil", "pack_corpus", "reproduce_checkpoint"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
