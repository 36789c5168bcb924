"""Speed of training, scoring, tokenizing and loading, compared with the usual alternatives."""

from .suites import SUITES
from .timing import Row, Setting, format_table, instruction_sets

__all__ = ["Row", "SUITES", "Setting", "format_table", "instruction_sets"]
