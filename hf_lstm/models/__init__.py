"""The models and their configuration. These files are saved with the weights."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cells_lstm import CELLS, State
    from .configuration_lstm import LstmConfig
    from .loss_lstm import PROBLEM_TYPES, ROUNDING
    from .modeling_causal_lstm import LstmForCausalLM
    from .modeling_lstm import LstmForSequenceClassification, LstmModel, LstmPreTrainedModel
    from .pooling_lstm import POOLINGS

# Imported when used: the configuration must be importable while `transformers` is still importing its models.
_MODULES = {
    "CELLS": "cells_lstm",
    "POOLINGS": "pooling_lstm",
    "PROBLEM_TYPES": "loss_lstm",
    "ROUNDING": "loss_lstm",
    "LstmConfig": "configuration_lstm",
    "LstmForCausalLM": "modeling_causal_lstm",
    "LstmForSequenceClassification": "modeling_lstm",
    "LstmModel": "modeling_lstm",
    "LstmPreTrainedModel": "modeling_lstm",
    "State": "cells_lstm",
}

__all__ = [
    "CELLS",
    "POOLINGS",
    "PROBLEM_TYPES",
    "ROUNDING",
    "LstmConfig",
    "LstmForCausalLM",
    "LstmForSequenceClassification",
    "LstmModel",
    "LstmPreTrainedModel",
    "State",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
