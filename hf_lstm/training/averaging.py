"""Evaluate and keep a moving average of the weights while the optimizer goes on with the raw ones."""

import torch
from transformers import TrainerCallback


class ParameterAveraging(TrainerCallback):
    """
    Exponential moving average of the parameters (Polyak and Juditsky, 1992), for the stock `Trainer`.

    A recurrent network trained at a high learning rate jumps about its optimum; the average of its steps is better
    than any of them. The other set of weights, the average while training and the raw weights while evaluating and
    saving, is kept in the optimizer's state: a checkpoint holds the averaged model, ready to use, and resuming finds
    both.

    Args:
        decay: Weight of the past at each step, in (0, 1); it starts lower, `(1 + step) / (10 + step)`, so that the
            first steps are soon forgotten.
    """

    def __init__(self, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"The decay of an average must lie between 0 and 1, got {decay}.")
        self.decay = decay
        self.averaged = False  # whether the model holds the average now

    def on_train_begin(self, args, state, control, optimizer=None, **kwargs):
        # Weights in a restored optimizer are the raw ones: a checkpoint is saved while the model holds the average.
        self.averaged = any("other" in optimizer.state[parameter] for parameter in _parameters(optimizer))

    def on_epoch_begin(self, args, state, control, optimizer=None, **kwargs):
        self._hold(False, optimizer)

    def on_step_begin(self, args, state, control, optimizer=None, **kwargs):
        self._hold(False, optimizer)

    @torch.no_grad()
    def on_step_end(self, args, state, control, optimizer=None, **kwargs):
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        for parameter in _parameters(optimizer):
            kept = optimizer.state[parameter]
            if "other" in kept:
                kept["other"].lerp_(parameter, 1 - decay)
            else:
                kept["other"] = parameter.detach().clone()
        if control.should_evaluate or control.should_save:
            self._hold(True, optimizer)

    def on_epoch_end(self, args, state, control, optimizer=None, **kwargs):
        if control.should_evaluate or control.should_save:
            self._hold(True, optimizer)

    def on_train_end(self, args, state, control, optimizer=None, **kwargs):
        loaded_best = args.load_best_model_at_end and state.best_model_checkpoint is not None
        if not loaded_best:
            self._hold(True, optimizer)

    @torch.no_grad()
    def _hold(self, averaged: bool, optimizer) -> None:
        if averaged == self.averaged:
            return
        for parameter in _parameters(optimizer):
            other = optimizer.state[parameter].get("other")
            if other is not None:
                kept = parameter.detach().clone()
                parameter.copy_(other)
                other.copy_(kept)
        self.averaged = averaged


def _parameters(optimizer):
    return (parameter for group in optimizer.param_groups for parameter in group["params"])
