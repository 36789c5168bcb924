"""The models and their configuration. These files are saved with the weights."""

from ..lazy import names_of_stub

# The configuration must be importable while `transformers` is still importing its models.
__getattr__, __dir__, __all__ = names_of_stub(__name__, __file__)
