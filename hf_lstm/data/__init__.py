"""Read labelled and unlabelled texts from files, folders, the Hub and tables in memory."""

from ..lazy import names_of_stub

__getattr__, __dir__, __all__ = names_of_stub(__name__, __file__)
