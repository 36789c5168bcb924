"""Recurrent text classifiers (LSTM, GRU, RNN) that are native to Hugging Face."""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from .models import LstmConfig, LstmForCausalLM, LstmForSequenceClassification, LstmModel, LstmPreTrainedModel

AutoConfig.register(LstmConfig.model_type, LstmConfig, exist_ok=True)
AutoModel.register(LstmConfig, LstmModel, exist_ok=True)
AutoModelForSequenceClassification.register(LstmConfig, LstmForSequenceClassification, exist_ok=True)
AutoModelForCausalLM.register(LstmConfig, LstmForCausalLM, exist_ok=True)

__version__ = "0.1.0"

__all__ = ["LstmConfig", "LstmForCausalLM", "LstmForSequenceClassification", "LstmModel", "LstmPreTrainedModel"]
