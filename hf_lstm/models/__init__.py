"""The models and their configuration; these files are saved with the weights."""

from .configuration_lstm import LstmConfig
from .modeling_causal_lstm import LstmForCausalLM
from .modeling_lstm import LstmForSequenceClassification, LstmModel, LstmPreTrainedModel
from .recurrence_lstm import Pooled

# Saved with the weights, the code files load them where this package is not installed.
LstmConfig.register_for_auto_class()
LstmModel.register_for_auto_class("AutoModel")
LstmForCausalLM.register_for_auto_class("AutoModelForCausalLM")
LstmForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")

__all__ = [
    "LstmConfig",
    "LstmForCausalLM",
    "LstmForSequenceClassification",
    "LstmModel",
    "LstmPreTrainedModel",
    "Pooled",
]
