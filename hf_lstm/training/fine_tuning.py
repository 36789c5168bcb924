"""Train the layers of a pretrained model at rates of their own, from the head down (ULMFiT).

The method is that of Howard and Ruder (2018, https://huggingface.co/papers/1801.06146): what the layers have learned
from other texts is kept the longer, the further they are from the head. Its slanted triangular learning rates are the
Trainer's `linear` schedule with warm-up.
"""

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


def layer_groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters of a classifier from the top down: the head, the layers from last to first, the embeddings."""
    backbone = model.model
    below = [*reversed(backbone.layers), backbone.embed_tokens]
    groups = [list(part.parameters()) for part in below]
    taken = {parameter for group in groups for parameter in group}
    return [[parameter for parameter in model.parameters() if parameter not in taken], *groups]


def split_groups(
    optimizer: torch.optim.Optimizer, layers: list[list[nn.Parameter]], learning_rate: float, layer_decay: float
) -> None:
    """
    Splits the optimizer's groups by layer, and gives each layer its learning rate.

    Args:
        optimizer: With groups of any parameters; each part keeps the options of its group.
        layers: As [`layer_groups`] returns them.
        learning_rate: Of the first, the head.
        layer_decay: Learning rate of each further one, as a share of that of the one before it.
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
    Holds each layer still until its epoch: the head learns from the start, the layer below it from the second epoch.

    A layer that waits has a learning rate of 0, which holds it as `requires_grad=False` would, and lets an interrupted
    training, or one in several processes, go on as any other.

    Args:
        scheduler: On groups that [`split_groups`] has made; it has taken no step yet.
        steps_per_epoch: Optimizer steps in an epoch.
    """
    scheduler.lr_lambdas = [
        _waiting(factor, group["depth"] * steps_per_epoch)
        for factor, group in zip(scheduler.lr_lambdas, scheduler.optimizer.param_groups, strict=True)
    ]
    for group, factor, rate in zip(
        scheduler.optimizer.param_groups, scheduler.lr_lambdas, scheduler.base_lrs, strict=True
    ):
        group["lr"] = rate * factor(scheduler.last_epoch)


def _waiting(factor, first_step: int):
    return lambda step: factor(step) if step >= first_step else 0.0
