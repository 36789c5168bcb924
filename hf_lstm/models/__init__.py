"""The models and their configuration; these files are saved with the weights."""

from .cells_lstm import CELLS
from .configuration_lstm import LstmConfig
from .modeling_causal_lstm import LstmForCausalLM
from .modeling_lstm import LstmForSequenceClassification, LstmModel, LstmPreTrainedModel
from .pooling_lstm import POOLINGS

# With these registrations, `save_pretrained` copies the code files, which load the weights without this package.
LstmConfig.register_for_auto_class()
LstmModel.register_for_auto_class("AutoModel")
LstmForCausalLM.register_for_auto_class("AutoModelForCausalLM")
LstmForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")

__all__ = [
    "CELLS",
    "POOLINGS",
    "LstmConfig",
    "LstmForCausalLM",
    "LstmForSequenceClassification",
    "LstmModel",
    "LstmPreTrainedModel",
]
