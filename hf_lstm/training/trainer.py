"""The Trainer of a classifier."""

import math
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from torch import nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerFast,
    Trainer,
)
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import EvalLoopOutput, HubStrategy

from ..data import ClassifierCollator, SimilarLengthSampler
from ..evaluation import MAIN_METRIC, best_thresholds, build_compute_metrics
from ..hub import build_card
from ..inference import probabilities
from ..models import LstmConfig, LstmForSequenceClassification
from .adversarial import EmbeddingAdversary
from .arguments import ClassifierTrainingArguments
from .averaging import ParameterAveraging
from .building import is_large_corpus
from .fine_tuning import layer_groups, split_groups, unfreeze_gradually

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
        args.adversarial_size = 0.5 if is_large_corpus(splits) else 0
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
    return build_compute_metrics(config.problem_type, config.num_labels, threshold)(prediction)
