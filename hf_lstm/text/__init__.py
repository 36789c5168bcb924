"""Train tokenizers, check texts, and find the positions where a text may be cut."""

from ..lazy import names_of_stub

__getattr__, __dir__, __all__ = names_of_stub(__name__, __file__)
