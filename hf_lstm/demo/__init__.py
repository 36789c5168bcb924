"""A web page that scores texts while they are typed."""

import inspect
from pathlib import Path

from ..explanation import Word, draw_scores
from .interface import build_interface, launch
from .live_text import Prediction, update_text
from .readers import build_demo, load_reader

# Files of the page, which run without this package.
_CONTENTS = (build_interface, Prediction, draw_scores, Word)
PAGE_MODULES = tuple(Path(str(inspect.getsourcefile(item))) for item in _CONTENTS)

__all__ = ["PAGE_MODULES", "Prediction", "build_demo", "build_interface", "launch", "load_reader", "update_text"]
