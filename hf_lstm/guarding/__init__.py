"""Stop a text while it arrives: streams of strings, generation with transformers, and many streams at once."""

from ..lazy import names_of_stub

__getattr__, __dir__, __all__ = names_of_stub(__name__, __file__)
