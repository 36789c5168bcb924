"""Train a recurrent classifier on any corpus with the stock `Trainer`, and measure what was saved."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from sklearn.utils.class_weight import compute_class_weight
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    AutoTokenizer,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME, TRAINING_ARGS_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput

from .averaging import ParameterAveraging
from .configuration_lstm import LstmConfig
from .data import Corpus
from .metrics import best_threshold, compute_metrics_for
from .model_card import build_card
from .modeling_lstm import LstmForSequenceClassification, replaced_when_complete
from .prediction import pad_batch, predict_logits, probabilities
from .sampling import SimilarLengthSampler
from .tokenization import train_tokenizer

# The figure that chooses the best checkpoint, first in every report.
MAIN_METRIC = {
    "single_label_classification": "accuracy",
    "multi_label_classification": "f1_macro",
    "regression": "mse",
}

# While checkpoints are compared, longer texts are cut, or one of megabytes would pad its whole batch to its length.
MAX_VALIDATION_TOKENS = 8_192

# Fields of the config that a model to start from has fixed: other values would silently start its layers anew.
FIXED_FIELDS = ("cell_type", "embedding_size", "hidden_size", "num_hidden_layers", "bidirectional")


@dataclass
class DataArguments:
    """What to learn from."""

    dataset: str | None = field(
        default=None,
        metadata={
            "help": "Hub id, folder, or csv / tsv / json / jsonl / parquet / txt file; by default the bundled reviews."
        },
    )
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a corpus that has several."})
    text_column: str | None = field(default=None, metadata={"help": "Default: the column with a usual name."})
    label_column: str | None = field(default=None, metadata={"help": "Default: the column with a usual name."})
    validation_fraction: float = field(
        default=0.1, metadata={"help": "Share of the training rows to validate on where the corpus has no such split."}
    )
    max_length: int = field(
        default=1000,
        metadata={"help": "Tokens of a training text that are read. Evaluation and prediction read all."},
    )
    language: str = field(default="en", metadata={"help": "Language code of the texts, for the model card."})
    license: str = field(default="apache-2.0", metadata={"help": "Licence of the trained model, for its card."})


@dataclass
class ModelArguments:
    """What to train. Where a field of [`LstmConfig`] is `None`, its default or the model to start from decides."""

    model: str | None = field(
        default=None, metadata={"help": "Folder or Hub id of a model to start from; by default new weights."}
    )
    tokenizer: Literal["bpe", "wordpiece", "unigram", "word"] = field(
        default="word", metadata={"help": "Kind of tokenizer to train. A model to start from brings its own."}
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
    pooling: Literal["last", "max", "mean", "concat"] | None = field(
        default=None, metadata={"help": "How the outputs of all steps become one vector."}
    )
    embedding_dropout: float | None = field(default=None, metadata={"help": "Dropout of whole words."})
    input_dropout: float | None = field(default=None, metadata={"help": "Variational dropout of the embeddings."})
    hidden_dropout: float | None = field(default=None, metadata={"help": "Variational dropout between layers."})
    weight_dropout: float | None = field(default=None, metadata={"help": "DropConnect on hidden-to-hidden weights."})
    classifier_dropout: float | None = field(default=None, metadata={"help": "Dropout before the linear head."})
    label_smoothing: float = field(default=0.1, metadata={"help": "Share of the target spread over the labels."})
    class_weights: Literal["balanced"] | None = field(
        default=None, metadata={"help": "`balanced` weighs the loss of a class by the inverse of its frequency."}
    )

    def config_fields(self) -> dict[str, Any]:
        """The fields of [`LstmConfig`] that were given."""
        own = ("model", "tokenizer", "vocab_size", "lowercase", "class_weights")
        return {name: value for name, value in asdict(self).items() if name not in own and value is not None}


@dataclass
class ClassifierTrainingArguments(TrainingArguments):
    """All of `TrainingArguments`, with defaults for a small recurrent classifier, and a few arguments more."""

    output_dir: str | None = field(default=None, metadata={"help": "Default: runs/ and the name of the corpus."})
    num_train_epochs: float | None = field(
        default=None,
        metadata={"help": "Default: as many as read about 80,000 texts, but at least 3 and at most 30."},
    )
    learning_rate: float = field(default=3e-3, metadata={"help": "Peak learning rate of AdamW."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Warm-up steps; below 1 a share of all steps."})
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Texts in a training batch."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Texts in an evaluation batch."})
    train_sampling_strategy: str = field(
        default="group_by_length", metadata={"help": "Batches of similar length carry little padding."}
    )
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate on the validation split."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint."})
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log the training loss."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints kept beside the best one."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best checkpoint."})
    bf16: bool | None = field(
        default=None, metadata={"help": "Train in bfloat16 autocast. Default: where the processor multiplies it fast."}
    )
    # The library hides the bar where its log is quiet, as it is in our scripts.
    disable_tqdm: bool = field(default=False, metadata={"help": "Hide the progress bar and the line per evaluation."})
    average_decay: float = field(
        default=0.999,
        metadata={"help": "Decay of the moving average of the weights that is kept; 0 keeps the last weights."},
    )
    early_stopping_patience: int = field(
        default=5, metadata={"help": "Evaluations without improvement after which training stops; 0 never does."}
    )
    baseline: bool = field(
        default=True, metadata={"help": "Also fit TF-IDF with logistic regression, the rival to beat, and report it."}
    )

    def __post_init__(self):
        if self.output_dir is None:
            self.output_dir = ""  # `train_classifier` names it after the corpus
        # The library wants a machine without an accelerator named as such before it trains in bf16.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        if self.bf16 is None:
            self.bf16 = not (self.fp16 or self.fp16_full_eval or self.bf16_full_eval) and has_fast_bf16(self.use_cpu)
        # The columns are ours already, and the lengths have to reach the sampler.
        self.remove_unused_columns = False
        super().__post_init__()


def has_fast_bf16(use_cpu: bool = False) -> bool:
    """Whether the device that the Trainer takes multiplies bfloat16 matrices in hardware."""
    if torch.cuda.is_available() and not use_cpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("amx_tile"))


def default_epochs(num_texts: int) -> int:
    """Epochs that read about 80,000 texts, at least 3, at most 30: small corpora need more passes than large ones."""
    return min(30, max(3, math.ceil(80_000 / num_texts)))


class ClassifierCollator:
    """
    Makes a padded batch of rows with `input_ids` and `labels`, whatever else the rows hold.

    Args:
        pad_token_id: What to pad with.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = pad_batch([row["input_ids"] for row in rows], self.pad_token_id)
        batch["labels"] = torch.as_tensor(np.array([row["labels"] for row in rows]))
        return batch


class EpochLines(ProgressCallback):
    """The stock progress bar, with one short line per evaluation instead of every figure."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or self.training_bar is None or "eval_loss" not in (logs or {}):
            return
        metric = args.metric_for_best_model
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        self.training_bar.write(
            f"epoch {logs['epoch']:5.2f}   train loss {losses[-1] if losses else float('nan'):.4f}"
            f"   validation loss {logs['eval_loss']:.4f}   {metric} {logs['eval_' + metric]:.4f}"
        )


class ClassifierTrainer(Trainer):
    """
    The stock Trainer, but grouped by length it alternates long and short batches in training, predictions keep the
    order of the rows, and the loss of an evaluation is that of all rows, however they are batched or shared out.
    """

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        rows = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or self.args.length_column_name not in rows.features:
            return super()._get_train_sampler(train_dataset)
        return SimilarLengthSampler(rows[self.args.length_column_name][:], self._train_batch_size, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Sampler:
        return SequentialSampler(eval_dataset)

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs) -> EvalLoopOutput:
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        if f"{metric_key_prefix}_loss" in output.metrics and output.predictions is not None:
            # The library's counts the last batch as a full one.
            model = self.accelerator.unwrap_model(self.model)
            labels, logits = torch.from_numpy(output.label_ids), torch.from_numpy(output.predictions)
            loss = model.loss_function(labels=labels, pooled_logits=logits, config=model.config)
            output.metrics[f"{metric_key_prefix}_loss"] = loss.item()
        return output

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        # The arguments as a pickle, which nothing reads; the card of a finished training has the command.
        (Path(output_dir or self.args.output_dir) / TRAINING_ARGS_NAME).unlink(missing_ok=True)

    def create_model_card(self, **kwargs) -> None:
        """What [`Trainer.push_to_hub`] calls: a card of this package, unless the folder has one already."""
        card = Path(self.args.output_dir) / "README.md"
        if self.is_world_process_zero() and not card.exists():
            build_card(self.model.config, self.hub_model_id).save(card)


def build_trainer(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    splits: DatasetDict,
    args: ClassifierTrainingArguments,
) -> Trainer:
    """
    Puts model, data and arguments into a Trainer.

    Args:
        model: The classifier; `config.problem_type` is set.
        tokenizer: Saved with every checkpoint.
        splits: `train` and `validation` as [`tokenize_corpus`] returns them.
        args: Arguments of the training.

    Returns:
        A Trainer that evaluates, keeps the best checkpoint and stops early as `args` say.
    """
    problem_type = model.config.problem_type
    if args.metric_for_best_model in (None, "loss") and args.load_best_model_at_end:
        args.metric_for_best_model = MAIN_METRIC[problem_type]
        args.greater_is_better = problem_type != "regression"
    # Sorted once, so that sequential batches are of similar length too.
    validation = splits["validation"].sort("length")
    if validation[-1]["length"] > MAX_VALIDATION_TOKENS:
        validation = validation.map(lambda row: {"input_ids": row["input_ids"][:MAX_VALIDATION_TOKENS]})
    callbacks = [EarlyStoppingCallback(args.early_stopping_patience)] if args.early_stopping_patience else []
    trainer = ClassifierTrainer(
        model=model,
        args=args,
        train_dataset=splits["train"],
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=ClassifierCollator(tokenizer.pad_token_id),
        compute_metrics=lambda prediction: _validation_figures(prediction, model.config),
        callbacks=callbacks,
    )
    if args.average_decay:
        trainer.add_callback(ParameterAveraging(args.average_decay))
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    if not args.disable_tqdm:
        trainer.add_callback(EpochLines)
    return trainer


def _validation_figures(prediction: EvalPrediction, config: LstmConfig) -> dict[str, float]:
    """Figures during training; the threshold of several labels a text is the best one so far."""
    threshold = 0.5
    if config.problem_type == "multi_label_classification":
        threshold = best_threshold(probabilities(prediction.predictions, config.problem_type), prediction.label_ids)
    return compute_metrics_for(config.problem_type, config.num_labels, threshold)(prediction)


def build_model(corpus: Corpus, args: ModelArguments) -> tuple[LstmForSequenceClassification, PreTrainedTokenizerFast]:
    """
    Makes a new classifier and trains its tokenizer, or loads those to fine-tune.

    Args:
        corpus: Gives the labels, the texts of a new tokenizer and the class weights.
        args: What to make or load.

    Returns:
        The model and its tokenizer.

    Raises:
        ValueError: A field of the model to start from cannot be changed any more.
    """
    fields = args.config_fields() | {
        "id2label": dict(enumerate(corpus.label_names)),
        "label2id": {name: i for i, name in enumerate(corpus.label_names)},
        "problem_type": corpus.problem_type,
        "class_weights": balanced_weights(corpus) if args.class_weights else None,
    }
    if args.model is not None:
        if fixed := [name for name in FIXED_FIELDS if name in fields]:
            raise ValueError(f"{', '.join(fixed)} cannot be changed in the trained model {args.model}: leave them out.")
        tokenizer = AutoTokenizer.from_pretrained(args.model)
        config = LstmConfig.from_pretrained(args.model, **fields)
        # A head for other labels starts anew.
        model = LstmForSequenceClassification.from_pretrained(args.model, config=config, ignore_mismatched_sizes=True)
        return model, tokenizer
    tokenizer = train_tokenizer(corpus.splits["train"]["text"], args.tokenizer, args.vocab_size, args.lowercase)
    if torch.distributed.is_initialized():
        # Some kinds come out differently each time: all processes take that of the first.
        shared = [tokenizer]
        torch.distributed.broadcast_object_list(shared)
        tokenizer = shared[0]
    config = LstmConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **fields,
    )
    return LstmForSequenceClassification(config), tokenizer


def balanced_weights(corpus: Corpus) -> list[float]:
    """
    Weights under which every label counts the same: inverse frequency of a class, or negatives per positive of a label.

    Raises:
        ValueError: In a regression, which has no classes.
    """
    if corpus.problem_type == "regression":
        raise ValueError("class_weights need classes, and this corpus has scores: leave them out.")
    labels = np.array(corpus.splits["train"]["labels"])
    if corpus.problem_type == "single_label_classification":
        return compute_class_weight("balanced", classes=np.arange(len(corpus.label_names)), y=labels).tolist()
    positives = np.maximum(labels.sum(0), 1)
    return ((len(labels) - positives) / positives).tolist()


def find_resume_checkpoint(args: ClassifierTrainingArguments) -> str | None:
    """
    Where to continue, and a guard for the checkpoints of a training that was interrupted.

    Args:
        args: `resume_from_checkpoint` is a checkpoint folder, or `last` for the last one in `output_dir`.

    Returns:
        The checkpoint's folder, or `None` to start from the beginning.

    Raises:
        ValueError: There is nothing to continue, or there is and it was not asked for.
    """
    # The state is written last: a checkpoint without it was not finished.
    complete = {path.parent for path in Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*/{TRAINER_STATE_NAME}")}
    last = str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None
    if args.resume_from_checkpoint is None:
        if last is not None:
            raise ValueError(
                f"{args.output_dir} holds the checkpoints of a training that did not finish: continue it with "
                f"--resume_from_checkpoint last, or name another --output_dir, or delete {last}."
            )
        return None
    if args.resume_from_checkpoint.lower() in ("last", "true"):
        if last is None:
            raise ValueError(f"There is no checkpoint in {args.output_dir} to continue from.")
        return last
    if not Path(args.resume_from_checkpoint).is_dir():
        raise ValueError(f"There is no checkpoint folder {args.resume_from_checkpoint}.")
    return args.resume_from_checkpoint


def save_classifier(
    trainer: Trainer, validation: Dataset, show_progress: bool = False
) -> LstmForSequenceClassification:
    """
    Saves the best model and its tokenizer as one folder, and loads that folder again.

    What is measured from here on is the saved folder in full precision, not the trained object, which mixed precision
    has wrapped for good.

    Args:
        trainer: After training.
        validation: Tokenised validation split; chooses the threshold where a text may have several labels.
        show_progress: Show a progress bar.

    Returns:
        The loaded model.
    """
    folder = Path(trainer.args.output_dir)
    with replaced_when_complete(folder) as partial:
        trainer.save_model(str(partial))
        model = LstmForSequenceClassification.from_pretrained(partial)
        if model.config.problem_type == "multi_label_classification":
            logits = predict_logits(model, validation["input_ids"][:], show_progress=show_progress)
            scores = probabilities(logits, model.config.problem_type)
            model.config.threshold = best_threshold(scores, np.array(validation["labels"][:]))
            model.config.save_pretrained(partial)
    trainer.save_state()
    for checkpoint in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(checkpoint)  # the folder itself is the best of them
    return model
