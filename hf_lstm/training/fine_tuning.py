"""Fine-tune the layers of a pretrained model with different learning rates, and unfreeze them one by one (ULMFiT).

Howard and Ruder (2018, https://huggingface.co/papers/1801.06146) introduced both methods. Layers further from the head
have more general features, so they should change less and later. Their slanted triangular learning rate is the `linear`
schedule of the Trainer with warm-up.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


def split_groups(
    optimizer: torch.optim.Optimizer, layers: list[list[nn.Parameter]], learning_rate: float, layer_decay: float
) -> None:
    """
    Split the parameter groups of an optimizer by layer, and set the learning rate of each layer.

    Args:
        optimizer: Optimizer with any parameter groups. The other options of a group are kept.
        layers: Parameters by layer, from [`layer_groups`].
        learning_rate: Learning rate of the first layer, the head.
        layer_decay: Factor between the learning rates of a layer and the one above it.
    """
    depths = {parameter: depth for depth, layer in enumerate(layers) for parameter in layer}
    groups = []
    for group in optimizer.param_groups:
        for depth in range(len(layers)):
            parameters = [parameter for parameter in group["params"] if depths[parameter] == depth]
            if parameters:
                rate = learning_rate * layer_decay**depth
                groups.append(group | {"params": parameters, "lr": rate, "initial_lr": rate, "depth": depth})
    optimizer.param_groups[:] = groups


def unfreeze_gradually(scheduler: LambdaLR, steps_per_epoch: int) -> None:
    """
    Freeze each layer until its epoch: the head learns from the first epoch, the layer below it from the second.

    A frozen layer has a learning rate of 0. This has the same effect as `requires_grad=False`, and also works in
    resumed and distributed training.

    Args:
        scheduler: Scheduler that has not taken a step, for an optimizer with groups from [`split_groups`].
        steps_per_epoch: Optimizer steps per epoch.
    """
    groups = scheduler.optimizer.param_groups
    scheduler.lr_lambdas = [
        _zero_before(group["depth"] * steps_per_epoch, factor)
        for factor, group in zip(scheduler.lr_lambdas, groups, strict=True)
    ]
    for group, factor, rate in zip(groups, scheduler.lr_lambdas, scheduler.base_lrs, strict=True):
        group["lr"] = rate * factor(scheduler.last_epoch)


def _zero_before(first_step: int, factor: Callable[[int], float]) -> Callable[[int], float]:
    return lambda step: factor(step) if step >= first_step else 0.0
