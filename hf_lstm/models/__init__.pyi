"""The models and their configuration. These files are saved with the weights."""

from .cells_lstm import CELLS as CELLS, State as State
from .configuration_lstm import LstmConfig as LstmConfig
from .loss_lstm import PROBLEM_TYPES as PROBLEM_TYPES, ROUNDING as ROUNDING
from .modeling_causal_lstm import LstmForCausalLM as LstmForCausalLM
from .modeling_lstm import (
    LstmForSequenceClassification as LstmForSequenceClassification,
    LstmModel as LstmModel,
    LstmPreTrainedModel as LstmPreTrainedModel,
)
from .pooling_lstm import POOLINGS as POOLINGS
