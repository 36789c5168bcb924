"""Recurrent text classifiers (LSTM, GRU, RNN) that are native to Hugging Face."""

from .auditing import AuditResult as AuditResult, audit as audit
from .explanation import Explanation as Explanation, explain as explain
from .guarding import guard as guard
from .hub import TrainedClassifier as TrainedClassifier, load_classifier as load_classifier
from .inference import (
    BatchPredictor as BatchPredictor,
    StreamingClassifier as StreamingClassifier,
    format_predictions as format_predictions,
    predict_texts as predict_texts,
)
from .models import (
    LstmConfig as LstmConfig,
    LstmForCausalLM as LstmForCausalLM,
    LstmForSequenceClassification as LstmForSequenceClassification,
    LstmModel as LstmModel,
    LstmPreTrainedModel as LstmPreTrainedModel,
)
from .pretraining import pretrain as pretrain
from .text import train_tokenizer as train_tokenizer
from .tuning import train_classifier as train_classifier

__version__: str
