"""Train a recurrent classifier on any corpus with the stock `Trainer`, and measure what was saved."""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from torch import nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerState,
)
from transformers.trainer import TRAINER_STATE_NAME, TRAINING_ARGS_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, HubStrategy

from .adversarial import EmbeddingAdversary
from .arguments import ClassifierTrainingArguments, RecurrentTrainingArguments
from .averaging import ParameterAveraging
from .building import is_large
from .configuration_lstm import LstmConfig
from .fine_tuning import layer_groups, split_groups, unfreeze_gradually
from .metrics import MAIN_METRIC, best_thresholds, compute_metrics_for
from .model_card import RECORDS, build_card
from .modeling_lstm import LstmForSequenceClassification, replaced_when_complete
from .prediction import pad_batch, predict_logits, probabilities
from .sampling import SimilarLengthSampler

# While checkpoints are compared, longer texts are cut, or one of megabytes would pad its whole batch to its length.
MAX_VALIDATION_TOKENS = 8_192


def default_epochs(num_texts: int, readings: int = 1) -> int:
    """
    Epochs that read about 80,000 texts, at most 30, and each text at least 3 times: small corpora need more of them.

    Args:
        num_texts: Training texts.
        readings: How often an epoch reads each; twice where the embeddings are attacked.
    """
    return min(30, max(math.ceil(3 / readings), math.ceil(80_000 / num_texts / readings)))


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

    adversary: EmbeddingAdversary | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        rows = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or self.args.length_column_name not in rows.features:
            return super()._get_train_sampler(train_dataset)
        return SimilarLengthSampler(rows[self.args.length_column_name][:], self._train_batch_size, self.args.seed)

    def attack_embeddings(self, size: float) -> None:
        """Trains on each batch twice from now on: as it is, and with its embeddings moved to their worst."""
        self.adversary = EmbeddingAdversary(self.model.get_input_embeddings(), size)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args, **kwargs) -> torch.Tensor:
        loss = super().training_step(model, dict(inputs), *args, **kwargs)
        if self.adversary is not None:
            with self.adversary.attack():
                super().training_step(model, inputs, *args, **kwargs)
        return loss

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if is_new and (self.args.layer_decay != 1 or self.args.gradual_unfreezing):
            layers = layer_groups(self.accelerator.unwrap_model(self.model))
            split_groups(optimizer, layers, self.args.learning_rate, self.args.layer_decay)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None):
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        if self.args.gradual_unfreezing:
            batches = len(self.get_train_dataloader())
            unfreeze_gradually(scheduler, math.ceil(batches / self.args.gradient_accumulation_steps))
        return scheduler

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Sampler:
        return SequentialSampler(eval_dataset)

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs) -> EvalLoopOutput:
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        if f"{metric_key_prefix}_loss" in output.metrics and output.predictions is not None:
            # The library's counts the last batch as a full one.
            model = self.accelerator.unwrap_model(self.model)
            # With `output_hidden_states` there are more predictions than logits.
            logits = output.predictions[0] if isinstance(output.predictions, tuple) else output.predictions
            labels, logits = torch.from_numpy(output.label_ids), torch.from_numpy(logits)
            loss = model.loss_function(labels=labels, pooled_logits=logits, config=model.config)
            output.metrics[f"{metric_key_prefix}_loss"] = loss.item()
        return output

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        if super()._determine_best_metric(metrics, trial):
            return True
        # Of equally good checkpoints the one with the lower loss: on easy texts the first is hardly trained.
        losses = {entry["step"]: entry["eval_loss"] for entry in self.state.log_history if "eval_loss" in entry}
        is_tie = metrics.get(f"eval_{self.args.metric_for_best_model}") == self.state.best_metric
        best_loss = losses.get(self.state.best_global_step)
        if not is_tie or best_loss is None or metrics["eval_loss"] >= best_loss:
            return False
        self.state.best_global_step = self.state.global_step
        return True

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        # The arguments as a pickle, which nothing reads; the card of a finished training has the command.
        (Path(output_dir or self.args.output_dir) / TRAINING_ARGS_NAME).unlink(missing_ok=True)

    def create_model_card(self, language: str | None = None, license: str | None = None, **kwargs) -> None:
        """What [`Trainer.push_to_hub`] calls: a card of this package, unless the folder has one already."""
        path = Path(self.args.output_dir) / "README.md"
        if self.is_world_process_zero() and not path.exists():
            card = build_card(self.model.config, self.hub_model_id)
            card.data.language, card.data.license = language, license
            card.save(path)


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

    Raises:
        ValueError: One process has several GPUs.
    """
    problem_type = model.config.problem_type
    if args.n_gpu > 1:
        raise ValueError(
            f"One process would train on {args.n_gpu} GPUs: start one for each with `torchrun --nproc_per_node "
            f"{args.n_gpu}`, or name one with CUDA_VISIBLE_DEVICES."
        )
    # What the library pushes of a checkpoint lacks the code that the weights need.
    args.hub_strategy = HubStrategy.END
    if args.adversarial_size is None:
        args.adversarial_size = 0.5 if is_large(splits) else 0
    if args.num_train_epochs is None:
        args.num_train_epochs = default_epochs(len(splits["train"]), readings=2 if args.adversarial_size else 1)
        if args.gradual_unfreezing:
            args.num_train_epochs = max(args.num_train_epochs, len(layer_groups(model)))
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
    if args.adversarial_size:
        trainer.attack_embeddings(args.adversarial_size)
    add_callbacks(trainer, EpochLines())
    return trainer


def add_callbacks(trainer: Trainer, progress: ProgressCallback) -> None:
    """Averages the weights and shows `progress` in place of the stock bar, each as the arguments say."""
    if trainer.args.average_decay:
        trainer.add_callback(ParameterAveraging(trainer.args.average_decay))
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    if not trainer.args.disable_tqdm:
        trainer.add_callback(progress)


def _validation_figures(prediction: EvalPrediction, config: LstmConfig) -> dict[str, float]:
    """Figures during training; the thresholds of several labels a text are the best ones so far."""
    threshold = 0.5
    if config.problem_type == "multi_label_classification":
        threshold = best_thresholds(probabilities(prediction.predictions, config.problem_type), prediction.label_ids)
    return compute_metrics_for(config.problem_type, config.num_labels, threshold)(prediction)


def is_complete(checkpoint: Path) -> bool:
    """Whether the Trainer's state, which it writes last, is there and whole."""
    try:
        TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    except (OSError, ValueError):
        return False
    return True


def find_resume_checkpoint(args: RecurrentTrainingArguments) -> str | None:
    """
    Where to continue, and a guard for the checkpoints of a training that was interrupted.

    Args:
        args: `resume_from_checkpoint` is a checkpoint folder, or `last` for the last one in `output_dir`.

    Returns:
        The checkpoint's folder, or `None` to start from the beginning.

    Raises:
        ValueError: There is nothing to continue, or there is and it was not asked for.
    """
    checkpoints = Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*")
    complete = [path for path in checkpoints if is_complete(path)]
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
        validation: Tokenised validation split; chooses the thresholds where a text may have several labels.
        show_progress: Show a progress bar.

    Returns:
        The loaded model.
    """
    folder = Path(trainer.args.output_dir)
    forget_records(folder)
    with replaced_when_complete(folder) as partial:
        trainer.save_model(str(partial), _internal_call=True)  # not to push what is not finished
        model = LstmForSequenceClassification.from_pretrained(partial)
        if trainer.args.half_weights:
            halves = {name: weight.half() for name, weight in model.state_dict().items()}
            model.save_pretrained(partial, state_dict=halves)  # the config still says single: what is computed in
            model = LstmForSequenceClassification.from_pretrained(partial)
        model.to(trainer.args.device)
        if model.config.problem_type == "multi_label_classification":
            logits = predict_logits(model, validation["input_ids"][:], show_progress=show_progress)
            scores = probabilities(logits, model.config.problem_type)
            model.config.threshold = best_thresholds(scores, np.array(validation["labels"][:]))
            model.config.save_pretrained(partial)
    finish_folder(trainer)
    return model


def forget_records(folder: str | Path) -> None:
    """Removes what an earlier training recorded of a model that is about to be replaced."""
    for name in RECORDS:
        (Path(folder) / name).unlink(missing_ok=True)


def finish_folder(trainer: Trainer) -> None:
    """Writes the Trainer's log and removes the checkpoints: the folder itself is the best of them."""
    trainer.save_state()
    for checkpoint in Path(trainer.args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(checkpoint)
