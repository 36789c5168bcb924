"""Callbacks of the Trainer: weight averaging, one line per evaluation, the progress bar, and experiment tracking."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import (
    TensorBoardCallback,
    TrackioCallback,
    WandbCallback,
    get_reporting_integration_callbacks,
)
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from ..messages import one_line
from .arguments import arguments_of


class ParameterAveraging(TrainerCallback):
    """
    Exponential moving average of the parameters, for the stock `Trainer`.

    At a high learning rate, the weights of a recurrent network keep moving around the optimum. Their average is more
    accurate than the weights of any single step (Polyak and Juditsky, 1992, https://doi.org/10.1137/0330046).

    The model holds the raw weights during training steps, and the average during evaluation and saving. The respective
    other set is in the state of the optimizer. A checkpoint therefore contains the averaged model, ready to use, and
    both sets to resume from.

    Args:
        decay: Weight of the previous average at each step, between 0 and 1. At the first steps it is
            `(1 + step) / (10 + step)` if that is lower, so that the initial weights lose their influence quickly.

    Raises:
        ValueError: `decay` is not between 0 and 1.
    """

    def __init__(self, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"`average_decay` must be between 0 and 1, got {decay}.")
        self.decay = decay
        self.model_is_averaged = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # A checkpoint is saved while the model holds the average, so a restored optimizer holds the raw weights.
        optimizer = kwargs["optimizer"]
        self.model_is_averaged = any("other" in optimizer.state[parameter] for parameter in _parameters(optimizer))

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._load(kwargs["optimizer"], averaged=False)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._load(kwargs["optimizer"], averaged=False)

    @torch.no_grad()
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        optimizer = kwargs["optimizer"]
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        for parameter in _parameters(optimizer):
            parameter_state = optimizer.state[parameter]
            if "other" in parameter_state:
                parameter_state["other"].lerp_(parameter, 1 - decay)
            else:
                parameter_state["other"] = parameter.detach().clone()
        if control.should_evaluate or control.should_save:
            self._load(optimizer, averaged=True)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if control.should_evaluate or control.should_save:
            self._load(kwargs["optimizer"], averaged=True)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # The best checkpoint, if it was loaded, is an average already.
        if not (args.load_best_model_at_end and state.best_model_checkpoint is not None):
            self._load(kwargs["optimizer"], averaged=True)

    @torch.no_grad()
    def _load(self, optimizer: torch.optim.Optimizer, *, averaged: bool) -> None:
        """Load the average, or the raw weights, into the model by exchanging them with those in the optimizer."""
        if averaged == self.model_is_averaged:
            return
        for parameter in _parameters(optimizer):
            other = optimizer.state[parameter].get("other")
            if other is not None:
                previous = parameter.detach().clone()
                parameter.copy_(other)
                other.copy_(previous)
        self.model_is_averaged = averaged


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[torch.nn.Parameter]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


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
        if metric != "loss" and f"eval_{metric}" in logs:
            line += f"   {metric} {logs['eval_' + metric]:.4f}"
        tqdm.write(line)  # above a progress bar, if there is one

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not state.is_world_process_zero or state.best_model_checkpoint is None:
            return
        epochs = {entry["step"]: entry["epoch"] for entry in state.log_history if "eval_loss" in entry}
        if state.best_global_step in epochs:
            tqdm.write(f"Kept the weights of epoch {epochs[state.best_global_step]:.2f}.")


class ProgressBar(ProgressCallback):
    """The stock progress bar, without the logged figures, which other callbacks print."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        pass


def add_callbacks(trainer: Trainer, lines: TrainerCallback) -> None:
    """
    Add the callbacks of all trainings: weight averaging, printed evaluations, and a progress bar unless disabled.

    Args:
        trainer: Trainer with [`RecurrentTrainingArguments`], whose stock progress callbacks are replaced.
        lines: Callback that prints the evaluations.

    Raises:
        ValueError: Trackio or Weights & Biases cannot be started.
    """
    args = arguments_of(trainer)
    if args.average_decay:
        trainer.add_callback(ParameterAveraging(args.average_decay))
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(lines)
    if not args.disable_tqdm:
        trainer.add_callback(ProgressBar())
    _start_trackers(trainer)  # last, because it may open a run on a server


def check_trackers(args: TrainingArguments) -> None:
    """
    Check that the packages of `report_to` are installed, before anything takes time.

    Args:
        args: Arguments of the Trainer.

    Raises:
        ValueError: A package is missing, or there is no such tracker.
    """
    try:
        for tracker in get_reporting_integration_callbacks(args.report_to):
            tracker()
    except (RuntimeError, ImportError, ValueError) as error:
        raise ValueError(f"`report_to` cannot be used: {one_line(error)}.") from None


def _start_trackers(trainer: Trainer) -> None:
    """Start the trackers that need a login or a server; otherwise their errors would look like those of a training."""
    for tracker in trainer.callback_handler.callbacks:
        if isinstance(tracker, TrackioCallback | WandbCallback):
            try:
                tracker.setup(trainer.args, trainer.state, trainer.model)
            except Exception as error:  # each package has errors of its own
                raise ValueError(f"`report_to` cannot be used: {one_line(error)}.") from error


def report_results(trainer: Trainer, values: Mapping[str, float], plots: Sequence[Path]) -> None:
    """
    Send the results of a finished training to the trackers of `report_to`.

    The numbers go to every tracker, the plots to TensorBoard, Trackio and Weights & Biases.

    Args:
        trainer: Trainer after training.
        values: Numbers by name. As for all logs of the Trainer, the prefix `test_` or `eval_` is the group.
        plots: PNG files.
    """
    if not trainer.args.report_to:
        return
    try:
        trainer.log(dict(values))  # reopens the trackers that were closed at the end of the training
        _send_plots(trainer, plots)
    except Exception as error:  # each package has errors of its own; a finished training must not be lost
        print(f"Warning: the results could not be sent to the trackers of `report_to` ({one_line(error)}).")


def _send_plots(trainer: Trainer, plots: Sequence[Path]) -> None:
    """Send PNG files to the trackers that show images, and close those trackers."""
    step = trainer.state.global_step
    for tracker in trainer.callback_handler.callbacks:
        if isinstance(tracker, TensorBoardCallback):
            from matplotlib.image import imread

            for path in plots:
                tracker.tb_writer.add_image(path.stem, imread(path)[..., :3], step, dataformats="HWC")
            tracker.on_train_end(trainer.args, trainer.state, trainer.control)
        elif isinstance(tracker, TrackioCallback):
            import trackio

            trackio.log({path.stem: trackio.Image(path) for path in plots})
            tracker.on_train_end(trainer.args, trainer.state, trainer.control, trainer.model)
        elif isinstance(tracker, WandbCallback):
            import wandb

            wandb.log({path.stem: wandb.Image(str(path)) for path in plots})
