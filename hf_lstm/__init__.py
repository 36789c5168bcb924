"""Recurrent text classifiers (LSTM, GRU, RNN) that are native to Hugging Face."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .auditing import AuditResult, audit
    from .explanation import Explanation, explain
    from .guarding import guard
    from .hub import TrainedClassifier, load_classifier
    from .inference import BatchPredictor, StreamingClassifier, format_predictions, predict_texts
    from .models import LstmConfig, LstmForCausalLM, LstmForSequenceClassification, LstmModel, LstmPreTrainedModel
    from .pretraining import pretrain
    from .text import train_tokenizer
    from .tuning import train_classifier

__version__ = "0.1.0"

# Public names and the folders that define them. They are imported when used: `import hf_lstm` costs next to nothing.
_FOLDERS = {
    "AuditResult": "auditing",
    "BatchPredictor": "inference",
    "Explanation": "explanation",
    "LstmConfig": "models",
    "LstmForCausalLM": "models",
    "LstmForSequenceClassification": "models",
    "LstmModel": "models",
    "LstmPreTrainedModel": "models",
    "StreamingClassifier": "inference",
    "TrainedClassifier": "hub",
    "audit": "auditing",
    "explain": "explanation",
    "format_predictions": "inference",
    "guard": "guarding",
    "load_classifier": "hub",
    "predict_texts": "inference",
    "pretrain": "pretraining",
    "train_classifier": "tuning",
    "train_tokenizer": "text",
}

__all__ = [
    "AuditResult",
    "BatchPredictor",
    "Explanation",
    "LstmConfig",
    "LstmForCausalLM",
    "LstmForSequenceClassification",
    "LstmModel",
    "LstmPreTrainedModel",
    "StreamingClassifier",
    "TrainedClassifier",
    "audit",
    "explain",
    "format_predictions",
    "guard",
    "load_classifier",
    "predict_texts",
    "pretrain",
    "train_classifier",
    "train_tokenizer",
]


def __getattr__(name: str) -> Any:
    if name not in _FOLDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_FOLDERS[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_FOLDERS]


def _register_config(auto: Any) -> None:
    from .models.configuration_lstm import LstmConfig

    auto.AutoConfig.register(LstmConfig.model_type, LstmConfig, exist_ok=True)


def _register_models(auto: Any) -> None:
    from .models.configuration_lstm import LstmConfig

    for mapping, name in (
        (auto.MODEL_MAPPING, "LstmModel"),
        (auto.MODEL_FOR_CAUSAL_LM_MAPPING, "LstmForCausalLM"),
        (auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, "LstmForSequenceClassification"),
    ):
        mapping.register(LstmConfig, _import_model(name), exist_ok=True)


# The Auto classes are registered as soon as transformers loads them; a model is imported when it is used.
try:
    from wrapt import lazy_import, when_imported
except ImportError:
    # The language-model recipe runs where few libraries are installed: register at once, which is slower.

    def _import_model(name: str) -> Any:
        return getattr(import_module(".models", __name__), name)

    _register_config(import_module("transformers.models.auto.configuration_auto"))
    _register_models(import_module("transformers.models.auto.modeling_auto"))
else:

    def _import_model(name: str) -> Any:
        return lazy_import("hf_lstm.models", name)

    when_imported("transformers.models.auto.configuration_auto")(_register_config)
    when_imported("transformers.models.auto.modeling_auto")(_register_models)
