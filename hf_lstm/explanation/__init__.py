"""Explain predictions by the contributions of the words, and measure how faithful the explanations are."""

from .explain import explain
from .faithfulness import Faithfulness, measure_faithfulness
from .files import check_explanation_file, write_explanations
from .rendering import DARK, LIGHT, STYLE, draw_scores, mark_words
from .result import Explanation
from .words import Word

__all__ = [
    "DARK",
    "LIGHT",
    "STYLE",
    "Explanation",
    "Faithfulness",
    "Word",
    "check_explanation_file",
    "draw_scores",
    "explain",
    "mark_words",
    "measure_faithfulness",
    "write_explanations",
]
