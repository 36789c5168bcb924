"""Recurrent text classifiers (LSTM, GRU, RNN) that are native to Hugging Face."""

from importlib import import_module
from typing import Any

from .lazy import names_of_stub

__version__ = "0.1.0"

# `import hf_lstm` costs next to nothing.
__getattr__, __dir__, __all__ = names_of_stub(__name__, __file__)


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
