# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Recurrent text models: embedding, stacked LSTM / GRU / RNN layers, pooling, linear head.

    input_ids, attention_mask                       (batch, seq)
     > embedding                                    (batch, seq, embedding_size)
     > num_hidden_layers recurrent layers           (batch, seq, hidden_size * directions)
     > pooling over the real tokens                 (batch, pooled)
     > dropout, linear head                         (batch, num_labels)

The layers, the pooling and their exactness are in `recurrence_lstm.py`.
"""

import os
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.loss.loss_utils import ForSequenceClassificationLoss
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_lstm import LstmConfig
from .recurrence_lstm import (
    WINDOW_TOKENS,
    LstmLayer,
    Pooled,
    ReadingOrder,
    join_rows,
    similar_rows,
    variational_dropout,
    word_dropout,
)

# (h, c) of an LSTM, h of a GRU or RNN, each (num_layers * directions, batch, hidden_size) as in torch.nn
State = tuple[torch.Tensor, torch.Tensor] | torch.Tensor

# Steps of a long text that are scored at a time where no later one is needed: what they take stays in a CPU's cache.
WINDOW_STEPS = 4_096


class StatefulOutput(ModelOutput):
    """
    An output with the final state beside its items.

    The pipeline and the Trainer cut every item of an output along its first dimension, which in a state is the layers'.
    So the state is an attribute, always there, and no item.

    Args:
        state: State of each row after its last real token, `(num_layers * directions, batch, hidden_size)`: `(h, c)`
            for an LSTM, `h` for a GRU or RNN.
    """

    state = None

    def with_state(self, state: State) -> "StatefulOutput":
        self.state = state
        return self


@dataclass
class LstmModelOutput(StatefulOutput):
    """
    Output of [`LstmModel`], with a [`StatefulOutput.state`].

    Args:
        last_hidden_state: `(batch, seq, hidden_size * directions)`, the last layer's output at every step, zero at
            padding.
        hidden_states: With `output_hidden_states=True`, the embeddings and the output of each layer.
    """

    last_hidden_state: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class LstmSequenceClassifierOutput(StatefulOutput):
    """
    Output of [`LstmForSequenceClassification`], with a [`StatefulOutput.state`] and, in the same way, `pooled`.

    Args:
        loss: Scalar, when labels were given.
        logits: `(batch, num_labels)`.
        hidden_states: As in [`LstmModelOutput`].
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None

    pooled = None


class LstmPreTrainedModel(PreTrainedModel):
    """Weights' initialisation, loading and saving, common to all models of the family."""

    config: LstmConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _no_split_modules = ["LstmLayer"]
    _can_record_outputs = {"hidden_states": LstmLayer}
    # Which class each Auto class finds in the files that are saved with the weights.
    auto_map = {
        "AutoConfig": "configuration_lstm.LstmConfig",
        "AutoModel": "modeling_lstm.LstmModel",
        "AutoModelForSequenceClassification": "modeling_lstm.LstmForSequenceClassification",
    }
    # The losses are means over the batch: the Trainer divides them by its accumulation steps itself.
    accepts_loss_kwargs = False

    def save_pretrained(self, save_directory: str | os.PathLike, *args, **kwargs) -> None:
        """Saves weights, config and the code files that load them; see `PreTrainedModel.save_pretrained`."""
        # Complete, and without the name of a repository that the model came from: the files are beside the weights.
        self.config.auto_map = dict(self.auto_map)
        super().save_pretrained(save_directory, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """
        Xavier input weights, orthogonal recurrent weights (Saxe et al., https://huggingface.co/papers/1312.6120), zero
        biases but for the forget gate's 1 (Jozefowicz et al., 2015, https://proceedings.mlr.press/v37/jozefowicz15.html).
        """
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, std=std)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=std)
            self._init_slice(module.weight, module.padding_idx, lambda row: row.zero_())
        elif isinstance(module, nn.RNNBase):
            size = module.hidden_size
            for name, parameter in module.named_parameters():
                if name.startswith("bias"):
                    init.zeros_(parameter)
                    continue
                for gate in range(parameter.shape[0] // size):
                    fill = init.xavier_uniform_ if name.startswith("weight_ih") else self._orthogonal_
                    self._init_slice(parameter, slice(gate * size, (gate + 1) * size), fill)
            if isinstance(module, nn.LSTM):
                self._init_slice(module.bias_ih_l0, slice(size, 2 * size), lambda forget: forget.fill_(1))

    @staticmethod
    def _init_slice(parameter: nn.Parameter, index: int | slice | None, fill):
        # A slice does not carry the mark of a parameter that was loaded, so it is looked up here.
        if index is not None and not getattr(parameter, "_is_hf_initialized", False):
            fill(parameter[index])

    @staticmethod
    def _orthogonal_(weight: torch.Tensor):
        # The QR decomposition exists in single precision only.
        weight.copy_(nn.init.orthogonal_(torch.empty_like(weight, dtype=torch.float32)))


def batch_shape(
    input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None, inputs_embeds: torch.Tensor | None
) -> tuple[int, int]:
    """Rows and steps of a batch; `ValueError` for ids and embeddings, neither, no step, or another shape of mask."""
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("Give exactly one of `input_ids` and `inputs_embeds`.")
    batch, seq = (input_ids if inputs_embeds is None else inputs_embeds).shape[:2]
    if seq == 0:
        raise ValueError("The texts have no tokens; give at least one step, if only a special token.")
    if attention_mask is not None and attention_mask.shape != (batch, seq):
        raise ValueError(f"`attention_mask` must be of shape {(batch, seq)}, got {tuple(attention_mask.shape)}.")
    return batch, seq


class LstmModel(LstmPreTrainedModel):
    """Embedding and recurrent layers: the contract of `torch.nn.LSTM(batch_first=True)` on token ids."""

    def __init__(self, config: LstmConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        output_size = config.hidden_size * config.num_directions
        self.layers = nn.ModuleList(
            LstmLayer(config, output_size if i else config.embedding_size) for i in range(config.num_hidden_layers)
        )
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        state: State | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LstmModelOutput:
        """
        Reads a batch of texts.

        Args:
            input_ids: `(batch, seq)`, token ids; what stands at masked positions does not matter.
            attention_mask: `(batch, seq)`, 1 at real tokens, 0 at padding, on any side; `None` is all 1.
            inputs_embeds: `(batch, seq, embedding_size)`, instead of `input_ids`.
            state: State to start from, as an earlier call returned it; zeros when `None`.

        Returns:
            [`LstmModelOutput`].

        Raises:
            ValueError: Neither or both of `input_ids` and `inputs_embeds`, no step at all, a token id that the
                embedding lacks (on a CPU; a GPU would have to wait for the answer), or a state of another shape.
        """
        batch, seq = batch_shape(input_ids, attention_mask, inputs_embeds)
        order = ReadingOrder.of(attention_mask, batch, seq, self.device)
        if inputs_embeds is None:
            if order.mask is not None:
                input_ids = input_ids.masked_fill(~order.mask, self.config.pad_token_id or 0)
            if input_ids.is_cpu and not torch.compiler.is_compiling() and input_ids.max() >= self.config.vocab_size:
                raise ValueError(
                    f"Token id {int(input_ids.max())} is beyond the {self.config.vocab_size} rows of the embedding: "
                    "tokenizer and model do not belong together."
                )
            inputs_embeds = self.embed_tokens(input_ids)  # (batch, seq, embedding_size)
            inputs_embeds = word_dropout(
                inputs_embeds, input_ids, self.config.vocab_size, self.config.embedding_dropout, self.training
            )
        elif order.mask is not None:
            inputs_embeds = inputs_embeds.masked_fill(~order.mask[..., None], 0)
        hidden_states = variational_dropout(inputs_embeds, self.config.input_dropout, self.training)

        parts = self._state_parts(state, batch, hidden_states)
        directions = self.config.num_directions
        final_states = []
        for i, layer in enumerate(self.layers):
            if i > 0:
                hidden_states = variational_dropout(hidden_states, self.config.hidden_dropout, self.training)
            layer_state = [part[i * directions : (i + 1) * directions] for part in parts]
            hidden_states, *final_state = layer(hidden_states, order, *layer_state)
            final_states.append(final_state)

        final = tuple(torch.cat(part) for part in zip(*final_states, strict=True))
        output = LstmModelOutput(last_hidden_state=hidden_states)  # (batch, seq, hidden_size * directions)
        return output.with_state(final if self.config.cell_type == "lstm" else final[0])

    def _state_parts(self, state: State | None, batch: int, like: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The given state, checked, or zeros: `(h, c)` or `(h,)`."""
        count = 2 if self.config.cell_type == "lstm" else 1
        shape = (self.config.num_hidden_layers * self.config.num_directions, batch, self.config.hidden_size)
        if state is None:
            return (like.new_zeros(shape),) * count
        parts = (state,) if isinstance(state, torch.Tensor) else tuple(state)
        if [tuple(part.shape) for part in parts] != [shape] * count:
            raise ValueError(
                f"`state` must be {'(h, c), each' if count == 2 else 'a tensor'} of shape {shape}, "
                f"got {[tuple(part.shape) for part in parts]}."
            )
        return parts


def sequence_classification_loss(labels: torch.Tensor, pooled_logits: torch.Tensor, config: LstmConfig, **kwargs):
    """
    The library's loss for `config.problem_type`, with the `class_weights` and `label_smoothing` of the config.

    Labels of one class a text may also be probabilities, `(batch, num_labels)` floats, as a teacher gives them.
    """
    logits = pooled_logits.float()
    weights = None if config.class_weights is None else logits.new_tensor(config.class_weights)  # (num_labels,)
    if config.problem_type is None:
        ForSequenceClassificationLoss(labels, logits, config, **kwargs)  # infers it
    if config.problem_type == "single_label_classification":
        if labels.is_floating_point():
            loss = F.cross_entropy(logits, labels, weights, reduction="sum", label_smoothing=config.label_smoothing)
            # As for ids, the mean is over the texts' weights.
            return loss / (len(labels) if weights is None else (labels * weights).sum())
        return F.cross_entropy(logits, labels.view(-1), weights, label_smoothing=config.label_smoothing)
    if config.problem_type == "regression" or (weights is None and config.label_smoothing == 0):
        return ForSequenceClassificationLoss(labels, logits, config, **kwargs)
    targets = labels * (1 - config.label_smoothing) + config.label_smoothing / 2
    return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)


class LstmForSequenceClassification(LstmPreTrainedModel):
    """Text classifier (or regressor): [`LstmModel`], pooling, dropout and a linear layer."""

    def __init__(self, config: LstmConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = LstmModel(config)
        features = config.hidden_size * config.num_directions * (3 if config.pooling == "concat" else 1)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(features, config.num_labels)
        self.loss_function = sequence_classification_loss
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        state: State | None = None,
        pooled: Pooled | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LstmSequenceClassifierOutput:
        """
        Classifies a batch of texts.

        Args:
            input_ids, attention_mask, inputs_embeds, state: As in [`LstmModel.forward`].
            pooled: What an earlier call returned: together with its `state` it goes on with the texts of that call.
            labels: `(batch,)` class ids, or `(batch, num_labels)` floats, their probabilities; 0/1 floats of that shape
                for several labels a text; `(batch,)` floats for a regression; sets the loss.

        Returns:
            [`LstmSequenceClassifierOutput`].

        Raises:
            ValueError: As in [`LstmModel.forward`].
        """
        batch_shape(input_ids, attention_mask, inputs_embeds)  # refuses what is no batch
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "inputs_embeds": inputs_embeds}
        inputs = {name: value for name, value in inputs.items() if value is not None}
        # Where nothing but the logits is asked for, a batch is read in parts, which is faster and takes less memory: no
        # result depends on what a text shares its batch with, nor on where its reading is interrupted.
        recording = kwargs.get("output_hidden_states", self.config.output_hidden_states)
        in_parts = not (self.training or recording or torch.is_grad_enabled() or torch.compiler.is_compiling())
        padded = attention_mask is not None and attention_mask.device.type == "cpu" and state is None and pooled is None
        if in_parts and padded and len(groups := similar_rows(attention_mask)) > 1:
            features, state, pooled, hidden_states = self._read_groups(inputs, groups)
        else:
            features, state, pooled, hidden_states = self._read(inputs, state, pooled, in_parts, **kwargs)

        logits = self.classifier(self.dropout(features))  # (batch, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        output = LstmSequenceClassifierOutput(loss=loss, logits=logits, hidden_states=hidden_states)
        output.pooled = pooled
        return output.with_state(state)

    def _read(
        self, inputs: dict[str, torch.Tensor], state: State | None, pooled: Pooled | None, in_parts: bool, **kwargs
    ) -> tuple[torch.Tensor, State, Pooled, tuple[torch.Tensor, ...] | None]:
        """Features for the head, `(batch, pooled)`, and where the texts stand; in parts, memory does not grow."""
        batch, seq = next(iter(inputs.values())).shape[:2]
        # A direction that starts at the end needs the whole text.
        steps = min(WINDOW_STEPS, max(1, WINDOW_TOKENS // batch)) if in_parts and self.config.reads_forward else seq
        for start in range(0, seq, steps):
            window = {name: value[:, start : start + steps] for name, value in inputs.items()}
            outputs = self.model(**window, state=state, **kwargs | {"return_dict": True})
            state = outputs.state
            read = Pooled.of(self.config.pooling, outputs.last_hidden_state, window.get("attention_mask"))
            pooled = read if pooled is None else pooled.then(read)
        h = state[0] if self.config.cell_type == "lstm" else state
        last = h[-self.config.num_directions :].transpose(0, 1).flatten(1)  # (batch, hidden_size * directions)
        return pooled.vector(self.config.pooling, last), state, pooled, outputs.hidden_states

    def _read_groups(
        self, inputs: dict[str, torch.Tensor], groups: list[torch.Tensor]
    ) -> tuple[torch.Tensor, State, Pooled, None]:
        """The same, one group of rows after the other, each without the padding that only the others need."""
        read = []
        for rows in groups:
            columns = inputs["attention_mask"][rows].any(0)  # (seq,)
            columns[0] = True  # a text without a token needs a step, too
            part = {name: value[rows][:, columns] for name, value in inputs.items()}
            read.append(self._read(part, state=None, pooled=None, in_parts=True))
        features, states, pools, _ = zip(*read, strict=True)
        back = torch.cat(groups).argsort()
        pooled = Pooled(*join_rows(pools, back, dim=0))
        return join_rows(features, back, dim=0), join_rows(states, back, dim=1), pooled, None


__all__ = ["LstmForSequenceClassification", "LstmModel", "LstmPreTrainedModel"]
