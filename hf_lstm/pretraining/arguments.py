"""Arguments for pretraining, as dataclasses; the command line turns each field into an option."""

from dataclasses import dataclass, field
from typing import Literal

from ..training import BackboneArguments, RecurrentTrainingArguments, TextArguments


@dataclass
class PretrainingDataArguments(TextArguments):
    """The texts of a language model or of word vectors. Labels and the test split are not read."""

    streaming: bool = field(default=False, metadata={"help": "read a stream and store nothing; requires --max_steps"})
    validation_texts: int = field(
        default=1000, metadata={"help": "number of texts that validate if there is no validation split"}
    )
    block_size: int = field(default=256, metadata={"help": "tokens in a training row, or in a step of a stream"})
    carry_state: bool = field(
        default=False,
        metadata={"help": "carry the state along continuous streams, in a fast loop"},
    )
    packed: str | None = field(
        default=None, metadata={"help": "file of token ids instead of --dataset; implies --carry_state (default: none)"}
    )

    def __post_init__(self):
        if self.packed is not None:
            if self.dataset is not None:
                raise ValueError("`--packed` replaces `--dataset`: remove one of them.")
            self.carry_state = True
        if self.carry_state and self.streaming:
            raise ValueError("`--streaming` cannot be combined with `--carry_state` or `--packed`.")


@dataclass
class PretrainingArguments(BackboneArguments):
    """The language model, or the word vectors, to train."""

    objective: Literal["language_model", "vectors"] = field(
        default="language_model",
        metadata={"help": "what to train: a language model or word vectors"},
    )
    sampled_tokens: int | None = field(
        default=None,
        metadata={"help": "tokens in a sampled softmax; 0: all (default: 2048, small vocabularies: 0)"},
    )


@dataclass
class LanguageModelTrainingArguments(RecurrentTrainingArguments):
    """How a language model is trained."""

    num_train_epochs: float = field(default=3.0, metadata={"help": "number of passes over the texts"})
    max_steps: int = field(default=-1, metadata={"help": "number of steps, instead of passes; required for a stream"})
    learning_rate: float = field(default=4e-3, metadata={"help": "peak learning rate of AdamW"})
    # The values of ULMFiT.
    adam_beta1: float = field(default=0.7, metadata={"help": "beta1 of AdamW"})
    adam_beta2: float = field(default=0.99, metadata={"help": "beta2 of AdamW"})
    per_device_train_batch_size: int = field(default=64, metadata={"help": "rows in a training batch"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "rows in an evaluation batch"})
    eval_strategy: str = field(default="steps", metadata={"help": "when to evaluate and print a sample"})
    save_strategy: str = field(default="steps", metadata={"help": "when to save a checkpoint"})
    logging_strategy: str = field(default="steps", metadata={"help": "when to log the training loss"})
    eval_steps: float | None = field(default=0.1, metadata={"help": "steps; below 1, a share of all steps"})
    save_steps: float = field(default=0.1, metadata={"help": "steps; below 1, a share of all steps"})
    logging_steps: float = field(default=0.1, metadata={"help": "steps; below 1, a share of all steps"})
