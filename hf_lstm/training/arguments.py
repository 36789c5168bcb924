"""Arguments for training and pretraining, as dataclasses; the command line turns each field into an option."""

import os
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

import torch
from transformers import Trainer, TrainingArguments

from ..language_model import has_fast_bf16
from ..messages import show_progress
from ..models import CELLS, POOLINGS, LstmConfig
from ..teachers import TeacherArguments

# Fields of the model arguments that are not fields of `LstmConfig`.
NOT_IN_CONFIG = (
    *("pretrained", "tokenizer", "vocab_size", "lowercase", "vectors", "class_weights", "objective"),
    "drop_missing_labels",
)


@dataclass
class TextArguments:
    """The texts to read."""

    dataset: str | None = field(
        default=None, metadata={"help": "Hub id, folder or file of texts (default: the bundled reviews)"}
    )
    dataset_config: str | None = field(
        default=None, metadata={"help": "configuration of a Hub dataset (default: its only one)"}
    )
    text_column: str | None = field(
        default=None, metadata={"help": "column with the texts (default: found by its name)"}
    )


@dataclass
class DataArguments(TeacherArguments, TextArguments):
    """The labelled texts to train on, and the teachers that label more of them."""

    label_column: list[str] | None = field(
        default=None, metadata={"help": "column with the labels, or several of 0 and 1 (default: found by its name)"}
    )
    label_separator: str | None = field(
        default=None, metadata={"help": "separator of several labels in a column, as in a|b (default: one label)"}
    )
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression"] | None = field(
        default=None,
        metadata={"help": "such as multi_label_classification or regression (default: inferred from the labels)"},
    )
    separator: str | None = field(
        default=None, metadata={"help": "separator of the columns of csv and tsv files (default: detected)"}
    )
    encoding: str | None = field(
        default=None, metadata={"help": "encoding of text files, such as cp1252 (default: detected)"}
    )
    validation_fraction: float = field(
        default=0.1, metadata={"help": "share of training rows to validate on without a validation split"}
    )
    max_length: int = field(
        default=1000, metadata={"help": "training texts are truncated after this many tokens, others never"}
    )
    language: str | None = field(
        default=None, metadata={"help": "language code for the model card, such as en (default: not stated)"}
    )
    license: str = field(default="apache-2.0", metadata={"help": "licence of the model, for the model card"})
    rehearse: str | None = field(
        default=None, metadata={"help": "data of the training of `pretrained`, to keep its labels (default: none)"}
    )
    drop_suspicious: int = field(
        default=0, metadata={"help": "train without this many rows with the most suspicious labels of an audit"}
    )
    audit_dir: str | None = field(
        default=None, metadata={"help": "folder of the audit (default: runs/, the name of the dataset and -audit)"}
    )
    prefixes: bool = field(
        default=False, metadata={"help": "also learn random prefixes, to decide early; needs --no_bidirectional"}
    )

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.label_column, str):
            self.label_column = [self.label_column]

    @property
    def learns_prefixes(self) -> bool:
        """Whether prefixes have the label of their text, because no teacher labels them."""
        return self.prefixes and self.teacher is None


@dataclass
class BackboneArguments:
    """Tokenizer and layers. A field that is `None` takes the value of `pretrained`, or the default of `LstmConfig`."""

    pretrained: str | None = field(
        default=None, metadata={"help": "model or vectors to start from: folder or Hub id (default: new weights)"}
    )
    tokenizer: str | None = field(
        default=None, metadata={"help": "kind (word, bpe, wordpiece, unigram) or folder of a saved one (default: word)"}
    )
    vocab_size: int = field(default=30_000, metadata={"help": "maximum vocabulary size of a trained tokenizer"})
    lowercase: bool = field(default=True, metadata={"help": "lowercase all texts in a trained tokenizer"})
    cell_type: str | None = field(
        default=None, metadata={"help": f"recurrent cell (default: {LstmConfig.cell_type})", "choices": [*CELLS]}
    )
    embedding_size: int | None = field(
        default=None, metadata={"help": f"size of the token embeddings (default: {LstmConfig.embedding_size})"}
    )
    hidden_size: int | None = field(
        default=None, metadata={"help": f"size of the hidden state, per direction (default: {LstmConfig.hidden_size})"}
    )
    num_hidden_layers: int | None = field(
        default=None, metadata={"help": f"number of recurrent layers (default: {LstmConfig.num_hidden_layers})"}
    )
    bidirectional: bool | None = field(
        default=None, metadata={"help": f"read in both directions; cannot stream (default: {LstmConfig.bidirectional})"}
    )
    reverse: bool | None = field(
        default=None,
        metadata={"help": f"read from the end to the start; cannot stream (default: {LstmConfig.reverse})"},
    )
    embedding_dropout: float | None = field(
        default=None,
        metadata={"help": f"dropout of whole words (default: {LstmConfig.embedding_dropout}, large corpora: 0.3)"},
    )
    input_dropout: float | None = field(
        default=None, metadata={"help": f"dropout of embedding features (default: {LstmConfig.input_dropout})"}
    )
    hidden_dropout: float | None = field(
        default=None, metadata={"help": f"dropout between recurrent layers (default: {LstmConfig.hidden_dropout})"}
    )
    weight_dropout: float | None = field(
        default=None, metadata={"help": f"dropout of hidden-to-hidden weights (default: {LstmConfig.weight_dropout})"}
    )

    def __post_init__(self):
        if self.pretrained is not None:
            self.pretrained = os.path.expanduser(self.pretrained)

    def changed_fields(self) -> set[str]:
        """Return the names of the fields that differ from their default."""
        default = asdict(type(self)())
        return {name for name, value in asdict(self).items() if value != default[name]}

    def config_fields(self) -> dict[str, Any]:
        """Return the fields of [`LstmConfig`] that were set."""
        return {name: value for name, value in asdict(self).items() if name not in NOT_IN_CONFIG and value is not None}


@dataclass
class ModelArguments(BackboneArguments):
    """The classifier to train."""

    vectors: str | None = field(
        default=None,
        metadata={"help": "initial embeddings: file, folder or Hub id, `cooccurrence` (default), or `none`"},
    )
    pooling: str | None = field(
        default=None,
        metadata={
            "help": f"how all time steps become one vector (default: {LstmConfig.pooling})",
            "choices": [*POOLINGS],
        },
    )
    classifier_dropout: float | None = field(
        default=None, metadata={"help": f"dropout before the linear head (default: {LstmConfig.classifier_dropout})"}
    )
    label_smoothing: float | None = field(
        default=None, metadata={"help": "share of the target spread over all labels (default: 0.1; multi-label: 0)"}
    )
    class_weights: Literal["balanced"] | None = field(
        default=None, metadata={"help": "`balanced` weights classes by inverse frequency (default: equal weights)"}
    )
    drop_missing_labels: bool = field(
        default=False, metadata={"help": "remove labels of `pretrained` that the data lacks"}
    )

    def __post_init__(self):
        super().__post_init__()
        if self.vectors == "no" or not isinstance(self.vectors, str | None):  # a Boolean
            raise ValueError("`vectors` must be a file, folder or Hub id, `cooccurrence` or `none`, not a Boolean.")
        if self.pretrained is not None and self.vectors not in (None, "none"):
            raise ValueError(f"{self.pretrained} has its own embeddings: remove `vectors`.")
        if self.vector_source is not None and self.tokenizer not in (None, "word", "wordpiece"):
            raise ValueError(f"`vectors` {self.vectors} requires `tokenizer` word or wordpiece.")

    @property
    def vector_source(self) -> str | None:
        """The source of `vectors` if it is not the training texts."""
        return None if self.vectors in (None, "none", "cooccurrence") else self.vectors


@dataclass
class RecurrentTrainingArguments(TrainingArguments):
    """`TrainingArguments` with the defaults that recurrent models need."""

    output_dir: str = field(
        default="", metadata={"help": "folder to write to (default: runs/ and the name of the dataset)"}
    )
    seed: int = field(default=42, metadata={"help": "seed of weights, batches and dropout"})
    warmup_steps: float = field(default=0.1, metadata={"help": "warm-up steps; below 1, a share of all steps"})
    weight_decay: float = field(default=0.01, metadata={"help": "weight decay of AdamW"})
    save_total_limit: int | None = field(default=1, metadata={"help": "checkpoints to keep besides the best one"})
    load_best_model_at_end: bool | None = field(  # type: ignore[assignment]  # a `bool` after `__post_init__`
        default=None, metadata={"help": "keep the best checkpoint (default: if all checkpoints are evaluated)"}
    )
    bf16: bool | None = field(  # type: ignore[assignment]  # a `bool` after `__post_init__`, as in the base class
        default=None, metadata={"help": "train in bfloat16 (default: if the hardware computes in it)"}
    )
    resume_from_checkpoint: str | None = field(
        default=None, metadata={"help": "`last` or a checkpoint folder (default: start from the beginning)"}
    )
    push_to_hub: bool = field(default=False, metadata={"help": "push the finished model to the Hub"})
    hub_model_id: str | None = field(
        default=None, metadata={"help": "repository to push to (default: the name of output_dir)"}
    )
    disable_tqdm: bool | None = field(
        default=None, metadata={"help": "hide progress bars (default: shown on terminals and in notebooks only)"}
    )
    # Every parameter is used in every step; looking for unused ones costs a pass over the graph.
    ddp_find_unused_parameters: bool = field(default=False, metadata={"help": "look for parameters without gradient"})
    average_decay: float = field(
        default=0.999, metadata={"help": "decay of the moving average of the weights; 0 disables it"}
    )

    def __post_init__(self):
        # An empty name, or `null` in a YAML file, is replaced by the name of the dataset as soon as that is known.
        self.output_dir = self.output_dir or ""
        if self.disable_tqdm is None:
            self.disable_tqdm = not show_progress()
        # The library requires this before it trains in bf16 on a machine without an accelerator.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        if self.bf16 is None:
            self.bf16 = not (self.fp16 or self.fp16_full_eval or self.bf16_full_eval) and has_fast_bf16(self.use_cpu)
        # The columns are chosen by this package, and the sampler needs the lengths.
        self.remove_unused_columns = False
        self.chooses_best = self.load_best_model_at_end is None
        if self.chooses_best:
            self.load_best_model_at_end = self.eval_strategy != "no" and self.save_strategy in (
                "best",
                self.eval_strategy,
            )
        elif self.load_best_model_at_end and self.eval_strategy == "no":
            raise ValueError("`load_best_model_at_end` requires `eval_strategy` to be epoch or steps, got no.")
        super().__post_init__()


@dataclass
class ClassifierTrainingArguments(RecurrentTrainingArguments):
    """How a classifier is trained."""

    num_train_epochs: float | None = field(  # type: ignore[assignment]  # a `float` after `resolve_defaults`
        default=None, metadata={"help": "number of passes over the texts (default: by their number, 3 to 30)"}
    )
    learning_rate: float = field(default=3e-3, metadata={"help": "peak learning rate of AdamW"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "texts in a training batch"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "texts in an evaluation batch"})
    train_sampling_strategy: str = field(
        default="group_by_length", metadata={"help": "batches of texts of similar length contain little padding"}
    )
    eval_strategy: str = field(default="epoch", metadata={"help": "when to evaluate on the validation split"})
    save_strategy: str = field(default="epoch", metadata={"help": "when to save a checkpoint"})
    logging_strategy: str = field(default="epoch", metadata={"help": "when to log the training loss"})
    # What the library pushes while training lacks the code files that the weights need.
    hub_strategy: str = field(default="end", metadata={"help": "when the Trainer pushes to the Hub"})
    adversarial_size: float | None = field(
        default=None, metadata={"help": "size of adversarial changes of the embeddings (default: 0.5, regression: 0)"}
    )
    layer_decay: float = field(default=1.0, metadata={"help": "learning rate of each layer relative to the one above"})
    gradual_unfreezing: bool = field(
        default=False, metadata={"help": "train the head first, then one more layer per epoch"}
    )
    early_stopping_patience: int = field(
        default=5, metadata={"help": "evaluations without improvement before stopping; 0 never stops"}
    )
    calibrate: bool = field(default=True, metadata={"help": "fit a temperature of the scores on validation texts"})
    min_precision: list[str] | None = field(
        default=None,
        metadata={"help": "LABEL=0.98: predict it only where it is that precise; 0.98: all labels", "action": "extend"},
    )
    stop_false_alarms: str | None = field(
        default=None, metadata={"help": "LABEL=0.01: fit a stop rule with false alarms in this share of texts"}
    )
    half_weights: bool = field(
        default=False, metadata={"help": "save the weights in half precision, half the size on disk"}
    )
    baseline: bool = field(default=True, metadata={"help": "also fit and report TF-IDF with logistic regression"})

    def __post_init__(self):
        if isinstance(self.min_precision, dict):  # from Python or YAML, as are single values and numbers
            self.min_precision = [f"{label}={precision}" for label, precision in self.min_precision.items()]
        elif self.min_precision is not None:
            values = self.min_precision if isinstance(self.min_precision, list | tuple) else [self.min_precision]
            self.min_precision = [str(value) for value in values]
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"`layer_decay` must be above 0 and at most 1, got {self.layer_decay}.")
        if self.early_stopping_patience < 0:
            raise ValueError(f"`early_stopping_patience` must be at least 0, got {self.early_stopping_patience}.")
        if self.num_train_epochs is not None and self.num_train_epochs <= 0 and self.max_steps <= 0:
            raise ValueError(f"`num_train_epochs` must be above 0, got {self.num_train_epochs:g}.")
        # The library replaces `None` by "loss"; here it means the main metric of the problem type.
        self.chooses_metric = self.metric_for_best_model is None
        # The library assumes that a higher value of every metric except a loss is better.
        self.chooses_direction = self.greater_is_better is None
        super().__post_init__()


def arguments_of(trainer: Trainer) -> RecurrentTrainingArguments:
    """Return the arguments of a Trainer of this package; the library declares them as `TrainingArguments`."""
    return cast(RecurrentTrainingArguments, trainer.args)
