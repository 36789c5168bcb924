"""Reproduce the published checkpoints, and pack the corpus for the language-model recipe."""

from ..lazy import names_of_stub

# The names of the checkpoints are needed where `datasets` is not installed.
__getattr__, __dir__, __all__ = names_of_stub(__name__, __file__)
