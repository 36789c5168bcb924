"""Fast training of language models and of classifiers on them, with PyTorch, transformers and numpy alone."""

from .budget import Budget, ModelSize
from .classifier import FineTuningSettings, LabelledTexts, fine_tune, layer_groups, predict_probabilities
from .loop import LoopResult, LoopSettings, default_sampled_tokens, stream_perplexity, train_on_streams
from .packed import NO_LABEL, SPLITS, PackedCorpus
from .precision import choose_precision, cpu_has_bf16, has_fast_bf16
from .recipe import PUBLISHED_SIZE, RecipeSettings, run_recipe
from .results import MAX_FILE_BYTES, PROBABILITIES_FILE, REPORT_FILE, read_probabilities_by_row
from .streams import TokenStreams
from .tokenized import TokenTexts

__all__ = [
    "Budget",
    "FineTuningSettings",
    "LabelledTexts",
    "LoopResult",
    "LoopSettings",
    "ModelSize",
    "MAX_FILE_BYTES",
    "NO_LABEL",
    "PROBABILITIES_FILE",
    "PUBLISHED_SIZE",
    "PackedCorpus",
    "REPORT_FILE",
    "RecipeSettings",
    "SPLITS",
    "TokenStreams",
    "TokenTexts",
    "choose_precision",
    "cpu_has_bf16",
    "default_sampled_tokens",
    "fine_tune",
    "has_fast_bf16",
    "layer_groups",
    "predict_probabilities",
    "read_probabilities_by_row",
    "run_recipe",
    "stream_perplexity",
    "train_on_streams",
]
