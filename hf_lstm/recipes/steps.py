"""The steps that train the checkpoints of model_cards/. This module imports no other library, for a fast `--help`."""

from collections.abc import Mapping

CORPUS = "stanfordnlp/imdb"

# Subcommand and options of each step, by its name.
Steps = Mapping[str, tuple[str, str]]

# Options of all students, of students that learn from passages, and of students that learn from whole texts.
STUDENT = "--label_smoothing 0 --half_weights true --baseline false"
PASSAGES = (
    "--pretrained runs/imdb-vectors --bidirectional false --passage_words 40 --num_train_epochs 1 --adversarial_size 0 "
    f"--per_device_train_batch_size 128 --embedding_dropout 0.1 --input_dropout 0.1 --classifier_dropout 0.1 {STUDENT}"
)
TEXTS = f"--embedding_dropout 0.2 --input_dropout 0.2 --classifier_dropout 0.3 {STUDENT}"
LATER_TEXTS = f"--num_train_epochs 3 --learning_rate 0.002 {TEXTS}"
# Probabilities of the language-model teacher for every review, which `hf-lstm reproduce` writes before the training.
TEACHER_FILE = "runs/lstm-imdb-lm/probabilities.parquet"

# First whole texts after passages, with the small model as teacher.
TAUGHT_BY_SMALL = f"--teacher runs/imdb-small/taught.parquet runs/imdb-small --adversarial_size 0 {LATER_TEXTS}"
# With adversarial training, and teachers that were students before.
ADVERSARIAL = f"--adversarial_size 0.5 {LATER_TEXTS}"
# With the labels that the language-model teacher and the models before it agree on, half of them the teacher's.
DISTILLED = f"--adversarial_size 0.5 --num_train_epochs 5 --learning_rate 0.002 {TEXTS}"
TAUGHT_BY_LANGUAGE_MODEL = f"--teacher runs/imdb-forward-3/taught.parquet {DISTILLED}"

# Subcommand and options of each step. A step comes after the steps whose folders its options name.
STEPS: dict[str, tuple[str, str]] = {
    "imdb-vectors-16k": ("pretrain", "--objective vectors --vocab_size 16000"),
    "imdb-small": (
        "train",
        "--pretrained runs/imdb-vectors-16k --bidirectional false --teacher linear latent latent linear "
        f"--adversarial_size 0 --num_train_epochs 5 {TEXTS}",
    ),
    "imdb-vectors": ("pretrain", "--objective vectors"),
    "imdb-base": ("train", f"--teacher linear {PASSAGES}"),
    "imdb-forward": ("train", f"--pretrained runs/imdb-base {TAUGHT_BY_SMALL}"),
    "imdb-base-reverse": ("train", f"--reverse true --teacher runs/imdb-base/taught.parquet {PASSAGES}"),
    "imdb-reverse": ("train", f"--pretrained runs/imdb-base-reverse {TAUGHT_BY_SMALL}"),
    "imdb-forward-2": (
        "train",
        "--pretrained runs/imdb-forward --teacher linear runs/imdb-forward runs/imdb-reverse runs/imdb-small "
        f"{ADVERSARIAL}",
    ),
    "imdb-reverse-2": (
        "train",
        f"--pretrained runs/imdb-reverse --teacher runs/imdb-forward-2/taught.parquet {ADVERSARIAL}",
    ),
    "imdb-small-2": (
        "train",
        f"--pretrained runs/imdb-small --teacher linear runs/imdb-forward-2 runs/imdb-reverse-2 {ADVERSARIAL}",
    ),
    "imdb-forward-3": (
        "train",
        f"--pretrained runs/imdb-forward-2 --teacher {TEACHER_FILE} {TEACHER_FILE} runs/imdb-forward-2 "
        f"runs/imdb-reverse-2 {DISTILLED}",
    ),
    "imdb-reverse-3": ("train", f"--pretrained runs/imdb-reverse-2 {TAUGHT_BY_LANGUAGE_MODEL}"),
    "imdb-small-3": ("train", f"--pretrained runs/imdb-small-2 {TAUGHT_BY_LANGUAGE_MODEL}"),
}

# Step that trains each checkpoint.
CHECKPOINTS = {
    "lstm-imdb-base": "imdb-base",
    "lstm-imdb": "imdb-forward-3",
    "lstm-imdb-reverse": "imdb-reverse-3",
    "lstm-imdb-small": "imdb-small-3",
}
