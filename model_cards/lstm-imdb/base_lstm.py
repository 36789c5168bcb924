# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Base classes of the models and of their outputs: initialisation, loading and saving of the weights."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel, initialization as init
from transformers.utils.generic import ModelOutput

from .cells_lstm import CELLS, State
from .configuration_lstm import LstmConfig
from .recurrence_lstm import LstmLayer

Output = TypeVar("Output", bound="StatefulOutput")


class StatefulOutput(ModelOutput):
    """
    Output with the final state as an attribute.

    The pipeline and the Trainer cut every item of an output along its first dimension, which in a state is that of the
    layers. Therefore the state is not an item.

    Args:
        state: State of each row after its last real token, `(num_layers * directions, batch, hidden_size)`: `(h, c)`
            for an LSTM, `h` for a GRU or RNN.
    """

    state: State | None = None

    def with_state(self: Output, state: State) -> Output:
        self.state = state
        return self


class LstmPreTrainedModel(PreTrainedModel):
    """Initialisation, loading and saving of the weights, common to all models of this family."""

    config: LstmConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _no_split_modules = ["LstmLayer"]
    _can_record_outputs = {"hidden_states": LstmLayer}
    # The class that each Auto class finds in the code files that are saved with the weights.
    auto_map = {
        "AutoConfig": "configuration_lstm.LstmConfig",
        "AutoModel": "modeling_lstm.LstmModel",
        "AutoModelForSequenceClassification": "modeling_lstm.LstmForSequenceClassification",
    }
    # The losses are means over the batch. The Trainer divides such losses by its accumulation steps.
    accepts_loss_kwargs = False

    def save_pretrained(self, save_directory: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """Save weights, config and the code files that load them; see `PreTrainedModel.save_pretrained`."""
        # All classes, and without the name of the repository that the model was loaded from, because the code files
        # are saved beside the weights.
        self.config.auto_map = dict(self.auto_map)
        super().save_pretrained(save_directory, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """
        Initialise a new module.

        Input weights are Xavier uniform, recurrent weights are orthogonal (Saxe et al.,
        https://huggingface.co/papers/1312.6120), and biases are zero, except for 1 at the forget gate (Jozefowicz et
        al., 2015, https://proceedings.mlr.press/v37/jozefowicz15.html).
        """
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, std=std)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=std)
            if module.padding_idx is not None:
                self._init_rows(module.weight, slice(module.padding_idx, module.padding_idx + 1), torch.Tensor.zero_)
        elif isinstance(module, nn.RNNBase):
            size, gates = module.hidden_size, CELLS[self.config.cell_type].gates
            for name, parameter in module.named_parameters():
                for number, gate in enumerate(gates):
                    rows = slice(number * size, (number + 1) * size)
                    if name.startswith("weight_ih"):
                        self._init_rows(parameter, rows, nn.init.xavier_uniform_)
                    elif name.startswith("weight_hh"):
                        self._init_rows(parameter, rows, self._orthogonal_)
                    else:
                        bias = 1.0 if gate == "forget" and name.startswith("bias_ih") else 0.0
                        self._init_rows(parameter, rows, partial(nn.init.constant_, val=bias))

    @staticmethod
    def _init_rows(parameter: torch.Tensor, rows: slice, fill: Callable[[torch.Tensor], Any]) -> None:
        # A loaded parameter is marked, but a slice of it is not, so the functions of the library would overwrite it.
        if not getattr(parameter, "_is_hf_initialized", False):
            fill(parameter[rows])

    @staticmethod
    def _orthogonal_(weight: torch.Tensor) -> None:
        # The QR decomposition exists in single precision only.
        weight.copy_(nn.init.orthogonal_(torch.empty_like(weight, dtype=torch.float32)))
