"""The Trainer for classifiers."""

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.utils.data import DataLoader, Sampler, SequentialSampler
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
)
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, SchedulerType

from ..data import ClassifierCollator, SimilarLengthSampler
from ..early import PREFIX_WEIGHT, prefix_loss, random_prefixes
from ..evaluation import best_thresholds, build_compute_metrics, check_problem_type
from ..hub import build_card
from ..inference import probabilities
from ..language_model import layer_groups
from ..messages import one_line
from ..models import LstmConfig, LstmForSequenceClassification
from .adversarial import EmbeddingAdversary
from .arguments import ClassifierTrainingArguments
from .callbacks import EpochLines, add_callbacks
from .fine_tuning import split_groups, unfreeze_gradually

# File in each checkpoint that describes what it was trained on.
RESUME_FILE = "training_data.json"

# While checkpoints are compared, validation texts are truncated: one text of megabytes would pad its whole batch.
MAX_VALIDATION_TOKENS = 8_192


class ClassifierTrainer(Trainer):
    """
    The stock Trainer, adapted to recurrent classifiers.

    - Training batches contain texts of similar length, in random order. Predictions keep the order of the rows.
    - The evaluation loss is the mean over all rows, independent of the batch size and of the number of processes.
    - Among checkpoints with the same metric, the one with the lowest loss is the best.
    - The arguments can add adversarial training, prefixes, a learning rate for each layer, and gradual unfreezing.
    - Checkpoints contain no pickle of the arguments, and the model card is that of this package.
    """

    # More precise types than those that the library declares.
    args: ClassifierTrainingArguments
    model: LstmForSequenceClassification
    train_dataset: Dataset

    # Adds the gradient of each batch with adversarial embeddings to that of the unchanged batch.
    adversary: EmbeddingAdversary | None = None

    # Whether the training loss is also that of a random prefix of each text, with the label of the text.
    learns_prefixes = False

    # Written to each checkpoint, to check that a training is resumed with the same data.
    training_data: dict[str, Any] | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        rows = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or self.args.length_column_name not in rows.features:
            return super()._get_train_sampler(train_dataset)
        # The processes read consecutive batches at the same time, and would wait for the one with the longest texts.
        rows_per_step = self._train_batch_size * self.args.world_size
        return SimilarLengthSampler(rows[self.args.length_column_name][:], rows_per_step, self.args.seed)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args, **kwargs) -> torch.Tensor:
        """
        Add the gradients of a batch, in adversarial training also those of the batch with changed embeddings.

        Args:
            model: The model, which may be wrapped for distributed training.
            inputs: The batch.
            args, kwargs: Other arguments of the stock method.

        Returns:
            The loss of the unchanged batch only, so that the logged losses of all trainings are comparable.

        Raises:
            ValueError: The loss is infinite or not a number.
        """
        # Processes exchange the sum of both gradients once.
        with nullcontext() if self.adversary is None else self.accelerator.no_sync(model):
            loss = super().training_step(model, dict(inputs), *args, **kwargs)
        if not loss.isfinite():  # the library waits for the value in every step, too
            raise self._not_finite("The training loss")
        if self.adversary is not None:
            with self.adversary.attack():
                super().training_step(model, inputs, *args, **kwargs)
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """
        Compute the loss of a batch; with prefixes and in training, the weighted mean of that of texts and prefixes.

        Args:
            model: The model, which may be wrapped for distributed training.
            inputs: The batch.
            return_outputs: Return the outputs of the model, too.
            num_items_in_batch: Not used, because the loss is a mean over the batch.
        """
        if not (self.learns_prefixes and model.training):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss, outputs = super().compute_loss(model, inputs | {"output_hidden_states": True}, True, num_items_in_batch)
        prefixes = random_prefixes(inputs["attention_mask"])
        classifier = self.accelerator.unwrap_model(model)
        of_prefixes = prefix_loss(classifier, outputs.hidden_states[-1], prefixes, inputs["labels"])
        loss = (1 - PREFIX_WEIGHT) * loss + PREFIX_WEIGHT * of_prefixes
        return (loss, outputs) if return_outputs else loss

    def _not_finite(self, what: str) -> ValueError:
        """Return the error for a training that diverged."""
        where, rate = f"step {self.state.global_step:,} (epoch {self.state.epoch or 0:.2f})", self.args.learning_rate
        precision = "" if not (self.args.bf16 or self.args.fp16) else ", or in single precision (--no_bf16)"
        return ValueError(
            f"{what} is infinite or not a number after {where}: train again with a --learning_rate below {rate:g}"
            f"{precision}. {self.args.output_dir} keeps its checkpoints and any earlier model."
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if is_new and (self.args.layer_decay != 1 or self.args.gradual_unfreezing):
            layers = layer_groups(self.accelerator.unwrap_model(self.model))
            split_groups(optimizer, layers, self.args.learning_rate, self.args.layer_decay)
        return optimizer

    def _get_dataloader(
        self, dataset, description, batch_size, sampler_fn=None, is_training=False, dataloader_key=None
    ):
        drop_last = self.args.dataloader_drop_last
        self.args.dataloader_drop_last = drop_last and is_training  # every validation row counts
        try:
            return super()._get_dataloader(
                dataset, description, batch_size, sampler_fn, is_training=is_training, dataloader_key=dataloader_key
            )
        finally:
            self.args.dataloader_drop_last = drop_last

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LRScheduler:
        name = SchedulerType(self.args.lr_scheduler_type).value
        try:
            scheduler = super().create_scheduler(num_training_steps, optimizer)
        except TypeError as error:
            raise ValueError(
                f"`lr_scheduler_type` {name} needs other `lr_scheduler_kwargs` than {self.args.lr_scheduler_kwargs} "
                f"({one_line(error)})."
            ) from None
        if self.args.gradual_unfreezing:
            if not isinstance(scheduler, LambdaLR):
                raise ValueError(f"`gradual_unfreezing` cannot be used with `lr_scheduler_type` {name}: use linear.")
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
        if f"eval_{self.args.metric_for_best_model}" not in metrics:
            known = ", ".join(name.removeprefix("eval_") for name in metrics if name.startswith("eval_"))
            raise ValueError(
                f"`metric_for_best_model` is {self.args.metric_for_best_model!r}, but the evaluation has only {known}."
            )
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
        weights = self.accelerator.unwrap_model(self.model).state_dict() if state_dict is None else state_dict
        if not all(weight.isfinite().all() for weight in weights.values()):
            raise self._not_finite("A weight")
        super()._save(output_dir, state_dict)
        # This pickle of the arguments is not needed: the model card records the command.
        folder = Path(output_dir or self.args.output_dir)
        (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)
        is_checkpoint = folder.name.startswith(PREFIX_CHECKPOINT_DIR)
        # Every process gets here; the main process alone creates the folder.
        if self.args.should_save and self.training_data is not None and is_checkpoint:
            (folder / RESUME_FILE).write_text(json.dumps(self.training_data), encoding="utf-8")

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
    prefixes: bool = False,
) -> ClassifierTrainer:
    """
    Create the Trainer of a classifier.

    Args:
        model: The classifier; `config.problem_type` must be set.
        tokenizer: Tokenizer that is saved with every checkpoint.
        splits: Tokenized `train` and `validation` splits, as returned by [`tokenize_corpus`].
        args: Resolved arguments, as returned by [`resolve_defaults`].
        prefixes: Also learn the label of each text from a random prefix; for a model that reads forward.

    Returns:
        A Trainer that evaluates, keeps the best checkpoint and stops early.

    Raises:
        ValueError: One process would train on several GPUs, there is no training batch, or a tracker of `report_to`
            cannot be started.
    """
    if args.n_gpu > 1:
        raise ValueError(
            f"One process would train on {args.n_gpu} GPUs: start one process per GPU with `torchrun --nproc_per_node "
            f"{args.n_gpu}`, or select a GPU with CUDA_VISIBLE_DEVICES."
        )
    if args.dataloader_drop_last and len(splits["train"]) < args.train_batch_size * args.world_size:
        raise ValueError(
            f"`dataloader_drop_last` leaves no training batch: there are {len(splits['train']):,} training rows, and a "
            f"batch has {args.train_batch_size * args.world_size:,}."
        )
    # Sort once, so that sequential batches contain texts of similar length. `Dataset.sort` prints a warning of pyarrow.
    lengths = splits["validation"]["length"][:]
    validation = splits["validation"].select(np.argsort(lengths, kind="stable"))
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
    trainer.learns_prefixes = prefixes
    if args.adversarial_size:
        trainer.adversary = EmbeddingAdversary(model.model.embed_tokens, args.adversarial_size)
    add_callbacks(trainer, EpochLines())
    return trainer


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
