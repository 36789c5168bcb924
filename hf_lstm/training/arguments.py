"""Command-line arguments for training and pretraining."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from transformers import TrainingArguments


@dataclass
class TextArguments:
    """Where the texts come from."""

    dataset: str | None = field(
        default=None,
        metadata={
            "help": "Hub id, folder, or csv / tsv / json / jsonl / parquet / txt file; by default the bundled reviews."
        },
    )
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a corpus that has several."})
    text_column: str | None = field(default=None, metadata={"help": "Default: the column with a usual name."})
    language: str = field(default="en", metadata={"help": "Language code of the texts, for the model card."})
    license: str = field(default="apache-2.0", metadata={"help": "Licence of the trained model, for its card."})


@dataclass
class DataArguments(TextArguments):
    """What a classifier learns from."""

    label_column: str | None = field(default=None, metadata={"help": "Default: the column with a usual name."})
    validation_fraction: float = field(
        default=0.1, metadata={"help": "Share of the training rows to validate on where the corpus has no such split."}
    )
    max_length: int = field(
        default=1000,
        metadata={"help": "Tokens of a training text that are read. Evaluation and prediction read all."},
    )
    teacher: list[str] | None = field(
        default=None,
        metadata={
            "help": "Learn also from what others say of the texts without labels and, where there are none, of the "
            "training texts: folders or Hub ids of classifiers, files of probabilities, or what is fitted to the "
            "labels and, where there are texts without labels, to what those before it say of them: `linear`, a model "
            "of 1- to 3-grams, or `latent`, one of vectors of the texts. Several are averaged; what they said is "
            "saved as taught.parquet, a teacher of more students."
        },
    )
    unlabelled: str | None = field(
        default=None,
        metadata={
            "help": "Texts without labels for the teacher, as in --dataset and in a column with a usual name, or "
            "`none`; default: the corpus' own."
        },
    )
    passage_words: int = field(
        default=0,
        metadata={
            "help": "Teach passages of about so many words, cut from the texts without labels or, where there are "
            "none, from the training texts: local, quickly learned, and a start for learning from whole texts. 0: "
            "whole texts."
        },
    )

    def __post_init__(self):
        if self.passage_words < 0:
            raise ValueError(f"passage_words must be at least 0, got {self.passage_words}.")
        if self.teacher is None and (self.unlabelled is not None or self.passage_words):
            raise ValueError("Texts without labels and passages are for a teacher to say something of: name a teacher.")


@dataclass
class PretrainingDataArguments(TextArguments):
    """What a language model, or word vectors, learn from; labels are not looked at, nor the test split."""

    streaming: bool = field(
        default=False, metadata={"help": "Read the texts anew in every pass and keep none; needs --max_steps."}
    )
    validation_texts: int = field(
        default=1000, metadata={"help": "Texts to validate on where the corpus has no such split."}
    )
    block_size: int = field(
        default=256, metadata={"help": "Tokens in a row of a batch; with --carry_state, tokens per step of a stream."}
    )
    carry_state: bool = field(
        default=False,
        metadata={
            "help": "Join the texts to continuous streams and carry the state from block to block, in a fast PyTorch "
            "loop instead of the Trainer. By default each row starts from a state of zeros."
        },
    )
    packed: str | None = field(
        default=None,
        metadata={
            "help": "Corpus of token ids that `reproduce.py pack` wrote, instead of --dataset; implies --carry_state."
        },
    )

    def __post_init__(self):
        if self.packed is not None:
            if self.dataset is not None:
                raise ValueError("--packed replaces --dataset: leave out one of them.")
            self.carry_state = True
        if self.carry_state and self.streaming:
            raise ValueError("--streaming cannot be combined with --carry_state or --packed.")


@dataclass
class BackboneArguments:
    """Vocabulary and layers. Where a field of [`LstmConfig`] is `None`, its default or `pretrained` decides."""

    pretrained: str | None = field(
        default=None,
        metadata={
            "help": "Folder or Hub id to start from: a classifier, a language model or vectors. It brings its own "
            "tokenizer, and the layers that it has. By default new weights."
        },
    )
    tokenizer: Literal["bpe", "wordpiece", "unigram", "word"] = field(
        default="word", metadata={"help": "Kind of tokenizer to train."}
    )
    vocab_size: int = field(default=30_000, metadata={"help": "Most tokens that the tokenizer may learn."})
    lowercase: bool = field(default=True, metadata={"help": "Whether the tokenizer folds case."})
    cell_type: Literal["lstm", "gru", "rnn"] | None = field(default=None, metadata={"help": "Recurrent cell."})
    embedding_size: int | None = field(default=None, metadata={"help": "Width of the token embeddings."})
    hidden_size: int | None = field(default=None, metadata={"help": "Width of the hidden state of one direction."})
    num_hidden_layers: int | None = field(default=None, metadata={"help": "Stacked recurrent layers."})
    bidirectional: bool | None = field(
        default=None, metadata={"help": "Whether each layer also reads from the end; not for streaming."}
    )
    reverse: bool | None = field(
        default=None, metadata={"help": "Whether the one direction is from the end; not for streaming."}
    )
    embedding_dropout: float | None = field(
        default=None,
        metadata={"help": "Dropout of whole words. Default: 0.3 where the texts have a million tokens, else 0.1."},
    )
    input_dropout: float | None = field(default=None, metadata={"help": "Variational dropout of the embeddings."})
    hidden_dropout: float | None = field(default=None, metadata={"help": "Variational dropout between layers."})
    weight_dropout: float | None = field(default=None, metadata={"help": "DropConnect on hidden-to-hidden weights."})

    def changed_fields(self) -> set[str]:
        """Names of the arguments that are not at their default."""
        default = asdict(type(self)())
        return {name for name, value in asdict(self).items() if value != default[name]}

    def config_fields(self) -> dict[str, Any]:
        """The fields of [`LstmConfig`] that were given."""
        own = ("pretrained", "tokenizer", "vocab_size", "lowercase", "vectors", "class_weights", "objective")
        return {name: value for name, value in asdict(self).items() if name not in own and value is not None}


@dataclass
class ModelArguments(BackboneArguments):
    """A classifier to train."""

    vectors: bool | None = field(
        default=None,
        metadata={
            "help": "Start the embeddings of a new model from co-occurrence in the training texts. Default: where "
            "these have a million tokens."
        },
    )
    pooling: Literal["last", "max", "mean", "concat"] | None = field(
        default=None, metadata={"help": "How the outputs of all steps become one vector."}
    )
    classifier_dropout: float | None = field(default=None, metadata={"help": "Dropout before the linear head."})
    label_smoothing: float | None = field(
        default=None,
        metadata={
            "help": "Share of the target spread over the labels. Default: 0.1; 0 with a teacher, whose targets are "
            "smooth, and where a text may have several, since it would outweigh the few texts of a rare label."
        },
    )
    class_weights: Literal["balanced"] | None = field(
        default=None, metadata={"help": "`balanced` weighs the loss of a class by the inverse of its frequency."}
    )


@dataclass
class PretrainingArguments(BackboneArguments):
    """A language model, or word vectors, to train."""

    objective: Literal["language_model", "vectors"] = field(
        default="language_model",
        metadata={"help": "`language_model` learns to say the next token, `vectors` which tokens are alike."},
    )
    sampled_tokens: int | None = field(
        default=None,
        metadata={"help": "Random tokens among which the next one is sought in training; 0: the vocabulary."},
    )


@dataclass
class RecurrentTrainingArguments(TrainingArguments):
    """All of `TrainingArguments`, with what both kinds of training set otherwise."""

    output_dir: str | None = field(default=None, metadata={"help": "Default: runs/ and the name of the corpus."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Warm-up steps; below 1 a share of all steps."})
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints kept beside the best one."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best checkpoint."})
    bf16: bool | None = field(
        default=None, metadata={"help": "Train in bfloat16 autocast. Default: where the processor multiplies it fast."}
    )
    # The library hides the bar where its log is quiet, as it is in our scripts.
    disable_tqdm: bool = field(default=False, metadata={"help": "Hide the progress bar and the line per evaluation."})
    # Every parameter is used in every step; looking for unused ones costs a pass over the graph.
    ddp_find_unused_parameters: bool = field(default=False, metadata={"help": "Look for parameters without gradient."})
    average_decay: float = field(
        default=0.999,
        metadata={"help": "Decay of the moving average of the weights that is kept; 0 keeps the last weights."},
    )

    def __post_init__(self):
        if self.output_dir is None:
            self.output_dir = ""  # the script names it after the corpus
        # The library wants a machine without an accelerator named as such before it trains in bf16.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        if self.bf16 is None:
            self.bf16 = not (self.fp16 or self.fp16_full_eval or self.bf16_full_eval) and has_fast_bf16(self.use_cpu)
        # The columns are ours already, and the lengths have to reach the sampler.
        self.remove_unused_columns = False
        super().__post_init__()


@dataclass
class LanguageModelTrainingArguments(RecurrentTrainingArguments):
    """How a language model is trained."""

    num_train_epochs: float = field(default=3.0, metadata={"help": "How often the texts are read."})
    learning_rate: float = field(default=4e-3, metadata={"help": "Peak learning rate of AdamW."})
    adam_beta1: float = field(default=0.7, metadata={"help": "Momentum of AdamW, as in ULMFiT."})
    adam_beta2: float = field(default=0.99, metadata={"help": "Decay of AdamW's squared gradients, as in ULMFiT."})
    per_device_train_batch_size: int = field(default=64, metadata={"help": "Rows in a training batch."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Rows in an evaluation batch."})
    eval_strategy: str = field(default="steps", metadata={"help": "When to evaluate and show a sample."})
    save_strategy: str = field(default="steps", metadata={"help": "When to save a checkpoint."})
    logging_strategy: str = field(default="steps", metadata={"help": "When to log the training loss."})
    eval_steps: float | None = field(default=0.1, metadata={"help": "Steps; below 1 a share of all steps."})
    save_steps: float = field(default=0.1, metadata={"help": "Steps; below 1 a share of all steps."})
    logging_steps: float = field(default=0.1, metadata={"help": "Steps; below 1 a share of all steps."})


@dataclass
class ClassifierTrainingArguments(RecurrentTrainingArguments):
    """How a classifier is trained."""

    num_train_epochs: float | None = field(
        default=None,
        metadata={
            "help": "Default: as many as read about 80,000 texts, at most 30, and each text at least 3 times (an "
            "attacked epoch reads each twice); with gradual unfreezing as many as unfreeze all."
        },
    )
    learning_rate: float = field(default=3e-3, metadata={"help": "Peak learning rate of AdamW."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Texts in a training batch."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Texts in an evaluation batch."})
    train_sampling_strategy: str = field(
        default="group_by_length", metadata={"help": "Batches of similar length carry little padding."}
    )
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate on the validation split."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint."})
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log the training loss."})
    adversarial_size: float | None = field(
        default=None,
        metadata={
            "help": "Size of the step that attacks the embeddings of each batch, in mean lengths of an embedding; 0 "
            "does not attack and takes half the time. Default: 0.5 where the texts have a million tokens, else 0."
        },
    )
    layer_decay: float = field(
        default=1.0,
        metadata={"help": "Learning rate of each layer, as a share of that of the layer above it; 1: all the same."},
    )
    gradual_unfreezing: bool = field(
        default=False,
        metadata={
            "help": "Train the head alone in the first epoch, then one more layer in each, the embeddings last: those "
            "that no epoch is left for stay as they are."
        },
    )
    early_stopping_patience: int = field(
        default=5, metadata={"help": "Evaluations without improvement after which training stops; 0 never does."}
    )
    half_weights: bool = field(
        default=False,
        metadata={"help": "Save, and measure, the weights rounded to half precision: half the size on disk."},
    )
    baseline: bool = field(
        default=True, metadata={"help": "Also fit TF-IDF with logistic regression, the rival to beat, and report it."}
    )

    def __post_init__(self):
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay must be above 0 and at most 1, got {self.layer_decay}.")
        super().__post_init__()


def has_fast_bf16(use_cpu: bool = False) -> bool:
    """Whether the device that the Trainer takes multiplies bfloat16 matrices in hardware."""
    if torch.cuda.is_available() and not use_cpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("amx_tile"))
