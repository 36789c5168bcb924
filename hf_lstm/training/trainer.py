"""The Trainer for classifiers."""

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.utils.data import DataLoader, Sampler, SequentialSampler
from tqdm.auto import tqdm
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
)
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import EvalLoopOutput, SchedulerType

from ..data import ClassifierCollator, SimilarLengthSampler
from ..evaluation import best_thresholds, build_compute_metrics, check_problem_type
from ..hub import build_card
from ..inference import probabilities
from ..models import LstmConfig, LstmForSequenceClassification
from .adversarial import EmbeddingAdversary
from .arguments import ClassifierTrainingArguments, arguments_of
from .averaging import ParameterAveraging
from .fine_tuning import layer_groups, split_groups, unfreeze_gradually

# While checkpoints are compared, validation texts are truncated: one text of megabytes would pad its whole batch.
MAX_VALIDATION_TOKENS = 8_192


class EpochLines(TrainerCallback):
    """Print one line after each evaluation."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or "eval_loss" not in (logs or {}):
            return
        metric = args.metric_for_best_model
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        line = (
            f"epoch {logs['epoch']:5.2f}   train loss {losses[-1] if losses else float('nan'):.4f}"
            f"   validation loss {logs['eval_loss']:.4f}"
        )
        if metric != "loss":
            line += f"   {metric} {logs['eval_' + metric]:.4f}"
        tqdm.write(line)  # above a progress bar, if there is one


class ProgressBar(ProgressCallback):
    """The stock progress bar, without the logged figures, which other callbacks print."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        pass


class ClassifierTrainer(Trainer):
    """
    The stock Trainer, adapted to recurrent classifiers.

    - Training batches contain texts of similar length, in random order. Predictions keep the order of the rows.
    - The evaluation loss is the mean over all rows, independent of the batch size and of the number of processes.
    - Among checkpoints with the same metric, the one with the lowest loss is the best.
    - The arguments can add adversarial training, a learning rate for each layer, and gradual unfreezing.
    - Checkpoints contain no pickle of the arguments, and the model card is that of this package.
    """

    # More precise types than those that the library declares.
    args: ClassifierTrainingArguments
    model: LstmForSequenceClassification
    train_dataset: Dataset

    adversary: EmbeddingAdversary | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        rows = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or self.args.length_column_name not in rows.features:
            return super()._get_train_sampler(train_dataset)
        return SimilarLengthSampler(rows[self.args.length_column_name][:], self._train_batch_size, self.args.seed)

    def train_adversarially(self, size: float) -> None:
        """
        Train on each batch twice from now on: unchanged, and with adversarial embeddings.

        Args:
            size: Length of the change of a text, relative to the mean length of an embedding.
        """
        self.adversary = EmbeddingAdversary(self.model.model.embed_tokens, size)

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

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LRScheduler:
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        if self.args.gradual_unfreezing:
            if not isinstance(scheduler, LambdaLR):
                name = SchedulerType(self.args.lr_scheduler_type).value
                raise ValueError(
                    f"`gradual_unfreezing` cannot be combined with the `lr_scheduler_type` {name!r}; choose another, "
                    "such as 'linear'."
                )
            batches = len(self.get_train_dataloader())
            unfreeze_gradually(scheduler, math.ceil(batches / self.args.gradient_accumulation_steps))
        return scheduler

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Sampler:
        return SequentialSampler(eval_dataset)

    def evaluation_loop(
        self,
        dataloader: DataLoader,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        metrics = output.metrics or {}
        name = f"{metric_key_prefix}_loss"
        if name in metrics and output.predictions is not None and output.label_ids is not None:
            # The library weights the last batch as if it were full.
            model = self.accelerator.unwrap_model(self.model)
            logits, labels = _first_array(output.predictions), _first_array(output.label_ids)
            loss = model.loss_function(
                labels=torch.from_numpy(labels), pooled_logits=torch.from_numpy(logits), config=model.config
            )
            metrics[name] = loss.item()
        return output

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        if super()._determine_best_metric(metrics, trial):
            return True
        # On easy texts many checkpoints reach the maximum of the metric: keep the one with the lowest loss.
        losses: dict[float | None, float] = {
            entry["step"]: entry["eval_loss"] for entry in self.state.log_history if "eval_loss" in entry
        }
        is_tie = metrics.get(f"eval_{self.args.metric_for_best_model}") == self.state.best_metric
        best_loss = losses.get(self.state.best_global_step)
        if not is_tie or best_loss is None or metrics["eval_loss"] >= best_loss:
            return False
        self.state.best_global_step = self.state.global_step
        return True

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        # This pickle of the arguments is not needed: the model card records the command.
        (Path(output_dir or self.args.output_dir) / TRAINING_ARGS_NAME).unlink(missing_ok=True)

    def create_model_card(
        self, language: str | None = None, license: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """
        Write the model card of this package for [`Trainer.push_to_hub`], unless the folder has a card already.

        Args:
            language: Language code for the metadata of the card.
            license: Licence for the metadata of the card.
            args, kwargs: Other arguments of the stock method, which are ignored.
        """
        path = Path(self.args.output_dir) / "README.md"
        if self.is_world_process_zero() and not path.exists():
            repo_id = cast(str, self.hub_model_id)  # set before a push; the library declares its first value, `None`
            card = build_card(self.model.config, repo_id)
            card.data["language"], card.data["license"] = language, license
            card.save(path)


def build_trainer(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    splits: DatasetDict,
    args: ClassifierTrainingArguments,
) -> ClassifierTrainer:
    """
    Create the Trainer of a classifier.

    Args:
        model: The classifier; `config.problem_type` must be set.
        tokenizer: Tokenizer that is saved with every checkpoint.
        splits: Tokenized `train` and `validation` splits, as returned by [`tokenize_corpus`].
        args: Resolved arguments, as returned by [`resolve_defaults`].

    Returns:
        A Trainer that evaluates, keeps the best checkpoint and stops early.

    Raises:
        ValueError: One process would train on several GPUs.
    """
    if args.n_gpu > 1:
        raise ValueError(
            f"One process would train on {args.n_gpu} GPUs: start one process per GPU with `torchrun --nproc_per_node "
            f"{args.n_gpu}`, or select a GPU with CUDA_VISIBLE_DEVICES."
        )
    # Sort once, so that sequential batches contain texts of similar length.
    validation = splits["validation"].sort("length")
    if validation[-1]["length"] > MAX_VALIDATION_TOKENS:
        validation = validation.map(lambda row: {"input_ids": row["input_ids"][:MAX_VALIDATION_TOKENS]})
    callbacks: list[TrainerCallback] = []
    if args.early_stopping_patience and args.load_best_model_at_end:
        callbacks.append(EarlyStoppingCallback(args.early_stopping_patience))
    trainer = ClassifierTrainer(
        model=model,
        args=args,
        train_dataset=splits["train"],
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=ClassifierCollator(tokenizer.pad_token_id),
        compute_metrics=lambda prediction: _validation_metrics(prediction, model.config),
        callbacks=callbacks,
    )
    if args.adversarial_size:
        trainer.train_adversarially(args.adversarial_size)
    add_callbacks(trainer, EpochLines())
    return trainer


def add_callbacks(trainer: Trainer, lines: TrainerCallback) -> None:
    """
    Add the callbacks of all trainings: weight averaging, printed evaluations, and a progress bar unless disabled.

    Args:
        trainer: Trainer with [`RecurrentTrainingArguments`], whose stock progress callbacks are replaced.
        lines: Callback that prints the evaluations.
    """
    args = arguments_of(trainer)
    if args.average_decay:
        trainer.add_callback(ParameterAveraging(args.average_decay))
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(lines)
    if not args.disable_tqdm:
        trainer.add_callback(ProgressBar())


def _validation_metrics(prediction: EvalPrediction, config: LstmConfig) -> dict[str, float]:
    """Compute the metrics of an evaluation, for multi-label classification with the thresholds that are best for it."""
    problem_type = check_problem_type(config.problem_type)
    threshold: float | list[float] = 0.5
    if problem_type == "multi_label_classification":
        scores = probabilities(_first_array(prediction.predictions), problem_type)
        threshold = best_thresholds(scores, _first_array(prediction.label_ids))
    num_labels = cast(int, config.num_labels)  # the library declares that it may be `None`
    return build_compute_metrics(problem_type, num_labels, threshold)(prediction)


def _first_array(arrays: np.ndarray | tuple[np.ndarray, ...]) -> np.ndarray:
    """Return the logits or labels of an evaluation: the first array of a model that also returns hidden states."""
    return arrays[0] if isinstance(arrays, tuple) else arrays
