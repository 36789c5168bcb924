"""Arguments for pretraining, as dataclasses; the command line turns each field into an option."""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from ..training import BackboneArguments, RecurrentTrainingArguments, TextArguments

# Options that the tokenizer and the texts of a packed corpus replace.
REPLACED_BY_PACKED = (
    *("dataset_config", "text_column", "validation_texts"),
    *("tokenizer", "vocab_size", "lowercase"),
)

# Arguments of the Trainer that the loop over continuous streams uses, or that have an error or an effect elsewhere.
USED_ON_STREAMS = (
    *("output_dir", "per_device_train_batch_size", "num_train_epochs", "max_steps", "learning_rate", "weight_decay"),
    *("adam_beta1", "adam_beta2", "max_grad_norm", "bf16", "fp16", "seed", "use_cpu", "disable_tqdm"),
    *("resume_from_checkpoint", "push_to_hub"),
)


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
        metadata={"help": "tokens in a sampled softmax; 0: all (default: 2048; GPU or small vocabulary: 0)"},
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

    def __post_init__(self):
        # Compared before the base class replaces the values that are `None`.
        self.changed = changed_options(self)
        self.chooses_precision = self.bf16 is None and not self.fp16
        super().__post_init__()


def changed_options(arguments: Any) -> list[str]:
    """Return the names of the fields of a dataclass that differ from their default."""
    changed = []
    for option in fields(arguments):
        default = option.default if option.default_factory is MISSING else option.default_factory()
        if option.init and getattr(arguments, option.name) != default:
            changed.append(option.name)
    return changed


def check_combination(
    data_args: PretrainingDataArguments, model_args: PretrainingArguments, args: LanguageModelTrainingArguments
) -> None:
    """
    Check that every option that was set has an effect in this kind of pretraining.

    Args:
        data_args: Arguments of the texts.
        model_args: Arguments of the model.
        args: Arguments of the Trainer.

    Raises:
        ValueError: Options cannot be combined; the message names them.
    """
    if args.push_to_hub:
        raise ValueError("Only classifiers are pushed to the Hub: remove `push_to_hub`.")
    if model_args.objective == "vectors" and (data_args.carry_state or model_args.pretrained):
        raise ValueError("`--objective vectors` cannot be combined with `--pretrained`, `--carry_state` or `--packed`.")
    if not data_args.carry_state:
        return
    if args.world_size > 1 or args.resume_from_checkpoint:
        raise ValueError(
            "--carry_state and --packed support one process and no resuming: remove `--resume_from_checkpoint` or "
            "torchrun."
        )
    # The command line writes some defaults differently, such as False for "no"; the base class makes them equal.
    default = LanguageModelTrainingArguments(output_dir=args.output_dir, use_cpu=args.use_cpu)
    changed = [name for name in args.changed if getattr(args, name) != getattr(default, name)]
    unused = [name for name in changed if name not in USED_ON_STREAMS]
    if data_args.packed is not None:
        changed = changed_options(data_args) + changed_options(model_args)
        unused += [name for name in changed if name in REPLACED_BY_PACKED]
    if unused:
        option = "--packed" if data_args.packed is not None else "--carry_state"
        names, pronoun = ", ".join(f"`--{name}`" for name in unused), "it" if len(unused) == 1 else "them"
        raise ValueError(f"`{option}` does not use {names}: remove {pronoun}.")
