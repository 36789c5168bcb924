"""`hf-lstm train`: train a classifier on labelled texts."""

from collections.abc import Sequence
from shlex import quote
from typing import Any

from ..tuning import TRAINING_GROUPS, Groups, train_or_tune
from .training_parser import TrainingParser, format_command, option_words

DESCRIPTION = "Train a text classifier, evaluate it, and save it with its metrics, plots and model card."

# Options that `--help` lists, by section.
SECTIONS = {
    "data": (
        *("dataset", "text_column", "label_column", "label_separator", "problem_type", "separator", "encoding"),
        *("validation_fraction", "max_length"),
    ),
    "model": (
        *("tokenizer", "vocab_size", "cell_type", "embedding_size", "hidden_size", "num_hidden_layers"),
        *("bidirectional", "pooling", "embedding_dropout", "input_dropout", "classifier_dropout"),
    ),
    "knowledge": (
        *("pretrained", "rehearse", "drop_missing_labels", "vectors", "teacher", "teacher_labels", "unlabelled"),
        *("augment", "passage_words"),
    ),
    "training and output": (
        *("autotune", "max_megabytes", "max_latency_ms"),
        *("num_train_epochs", "learning_rate", "per_device_train_batch_size", "label_smoothing", "class_weights"),
        *("adversarial_size", "early_stopping_patience", "min_precision", "drop_suspicious"),
        *("bf16", "seed", "resume_from_checkpoint", "output_dir", "baseline", "half_weights", "push_to_hub"),
    ),
}


def main(argv: Sequence[str]) -> None:
    """
    Train a classifier.

    Args:
        argv: Options of the command, or the path of one YAML or JSON file with them.
    """
    parser = TrainingParser(TRAINING_GROUPS, SECTIONS, "train", DESCRIPTION)
    *groups, tuning = parser.parse(argv)
    given = Groups(*groups)
    dataset, token = given.data.dataset, given.training.hub_token

    def describe(best: dict[str, Any]) -> str:
        names = {} if dataset is None else {"dataset": dataset}
        return format_command("train", option_words(names | given.given() | best), token)

    trained = train_or_tune(dataset, given, tuning, format_command("train", argv, token), describe)
    print(f'Classify texts with:\n  hf-lstm predict --model {quote(str(trained.folder))} "your text"')
