"""`hf-lstm train`: train a classifier on labelled texts."""

from collections.abc import Sequence

from ..training import ARGUMENT_GROUPS, run_training
from .parsing import TrainingParser, format_command

DESCRIPTION = "Train a text classifier, evaluate it, and save it with its metrics, plots and model card."

# Options that `--help` lists, by section.
SECTIONS = {
    "data": (
        *("dataset", "text_column", "label_column", "label_separator", "problem_type", "separator", "encoding"),
        *("validation_fraction", "max_length"),
    ),
    "model": (
        *("tokenizer", "vocab_size", "cell_type", "embedding_size", "hidden_size", "num_hidden_layers"),
        *("bidirectional", "reverse", "pooling", "embedding_dropout", "input_dropout", "classifier_dropout"),
    ),
    "knowledge": (
        *("pretrained", "rehearse", "drop_missing_labels", "vectors", "teacher", "teacher_labels", "unlabelled"),
        *("augment", "passage_words"),
    ),
    "training and output": (
        *("num_train_epochs", "learning_rate", "per_device_train_batch_size", "label_smoothing", "class_weights"),
        *("adversarial_size", "early_stopping_patience", "gradual_unfreezing", "min_precision", "drop_suspicious"),
        *("bf16", "seed", "resume_from_checkpoint", "output_dir", "baseline", "half_weights", "push_to_hub"),
    ),
}


def main(argv: Sequence[str]) -> None:
    """
    Train a classifier.

    Args:
        argv: Options of the command, or the path of one YAML or JSON file with them.
    """
    parser = TrainingParser(ARGUMENT_GROUPS, SECTIONS, "train", DESCRIPTION)
    data_args, model_args, args = parser.parse(argv)
    command = format_command("train", argv, args.hub_token)
    trained = run_training(data_args.dataset, data_args, model_args, args, command)
    print(f'Classify texts with:\n  hf-lstm predict --model {trained.folder} "your text"')
