"""Early decisions: training on prefixes, stop rules, and how much of a text they need."""

from .measures import early_table, has_label, measure_early
from .plot import plot_early
from .prefix_loss import PREFIX_WEIGHT, check_reads_forward, prefix_loss, random_prefixes
from .stop_rules import StopTarget, describe_rule, fit_stop_rule, stop_target
from .stored_rule import fit_and_store_rule
from .token_scores import TokenScores, read_token_scores

__all__ = [
    "PREFIX_WEIGHT",
    "StopTarget",
    "TokenScores",
    "check_reads_forward",
    "describe_rule",
    "early_table",
    "fit_and_store_rule",
    "fit_stop_rule",
    "has_label",
    "measure_early",
    "plot_early",
    "prefix_loss",
    "random_prefixes",
    "read_token_scores",
    "stop_target",
]
