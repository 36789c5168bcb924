# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Recurrent text models: embedding, stacked LSTM / GRU / RNN layers, pooling, linear head.

    input_ids, attention_mask                       (batch, seq)
     > embedding                                    (batch, seq, embedding_size)
     > num_hidden_layers recurrent layers           (batch, seq, hidden_size * directions)
     > pooling over the real tokens                 (batch, pooled)
     > dropout, linear head                         (batch, num_labels)

[`LstmModel`] is the embedding and the layers, [`LstmForSequenceClassification`] adds the rest. The layers are in
`recurrence_lstm.py`, the pooling is in `pooling_lstm.py`, the loss is in `loss_lstm.py`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers.processing_utils import Unpack  # type: ignore[attr-defined]
from transformers.utils.generic import TransformersKwargs, can_return_tuple
from transformers.utils.output_capturing import capture_outputs

from .base_lstm import LstmPreTrainedModel, StatefulOutput
from .cells_lstm import CELLS, State
from .configuration_lstm import LstmConfig
from .loss_lstm import sequence_classification_loss
from .pooling_lstm import POOLINGS, Pooling
from .reading_lstm import ReadingOrder, is_recorded, similar_rows, take_rows, window_slices
from .recurrence_lstm import LstmLayer, variational_dropout, word_dropout


@dataclass
class LstmModelOutput(StatefulOutput):
    """
    Output of [`LstmModel`], with a [`StatefulOutput.state`].

    Args:
        last_hidden_state: `(batch, seq, hidden_size * directions)`, the output of the last layer at every step, zero at
            padding.
        hidden_states: With `output_hidden_states=True`, the embeddings and the output of each layer.
    """

    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None


@dataclass
class LstmSequenceClassifierOutput(StatefulOutput):
    """
    Output of [`LstmForSequenceClassification`], with a [`StatefulOutput.state`].

    Args:
        loss: Scalar, if labels were given.
        logits: `(batch, num_labels)`.
        hidden_states: As in [`LstmModelOutput`].
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None


def batch_shape(
    input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None, inputs_embeds: torch.Tensor | None
) -> tuple[int, int]:
    """Return the number of rows and steps of a batch, or raise a `ValueError` if the arguments are not a batch."""
    tokens = input_ids if inputs_embeds is None else inputs_embeds
    if tokens is None or (input_ids is not None and inputs_embeds is not None):
        raise ValueError("Give exactly one of `input_ids` and `inputs_embeds`.")
    batch, seq = tokens.shape[:2]
    if seq == 0:
        raise ValueError("The texts have no tokens; give at least one step, for instance a special token.")
    if attention_mask is not None and attention_mask.shape != (batch, seq):
        raise ValueError(f"`attention_mask` must be of shape {(batch, seq)}, got {tuple(attention_mask.shape)}.")
    return batch, seq


class LstmModel(LstmPreTrainedModel):
    """Embedding and recurrent layers: the contract of `torch.nn.LSTM(batch_first=True)`, on token ids."""

    def __init__(self, config: LstmConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        # Reading a field of a config takes much longer than reading an attribute of a module.
        self.cell_type, self.num_directions = config.cell_type, config.num_directions
        output_size = config.hidden_size * config.num_directions
        self.layers = nn.ModuleList(
            LstmLayer(config, output_size if i else config.embedding_size) for i in range(config.num_hidden_layers)
        )
        self.gradient_checkpointing = False
        self.post_init()

    @capture_outputs
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        state: State | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LstmModelOutput:
        """
        Compute the outputs of the last layer for a batch of texts.

        Args:
            input_ids: `(batch, seq)`, token ids. The ids at padding have no effect.
            attention_mask: `(batch, seq)`, 1 at real tokens, 0 at padding, which may be anywhere; `None` is all 1.
            inputs_embeds: `(batch, seq, embedding_size)`, instead of `input_ids`.
            state: Initial state, as returned by an earlier call; zeros if `None`.

        Returns:
            [`LstmModelOutput`].

        Raises:
            ValueError: Neither or both of `input_ids` and `inputs_embeds` are given, there are no steps, a token id is
                too large for the embedding (checked on the CPU only, a GPU would have to wait for the answer), or the
                mask or state has a wrong shape.
        """
        batch, seq = batch_shape(input_ids, attention_mask, inputs_embeds)
        tokens = input_ids if inputs_embeds is None else inputs_embeds
        assert tokens is not None
        order = ReadingOrder.of(attention_mask, batch, seq, tokens.device)
        embedded = self._embed(input_ids, inputs_embeds, order.mask)  # (batch, seq, embedding_size)
        hidden_states = variational_dropout(embedded, self.config.input_dropout, self.training)

        parts = self._state_parts(state, batch, hidden_states)
        final_states = []
        for i, layer in enumerate(self.layers):
            if i > 0:
                hidden_states = variational_dropout(hidden_states, self.config.hidden_dropout, self.training)
            layer_state = [part[i * self.num_directions : (i + 1) * self.num_directions] for part in parts]
            hidden_states, *final_state = layer(hidden_states, order, *layer_state)
            final_states.append(final_state)

        final = [torch.cat(part) for part in zip(*final_states, strict=True)]
        output = LstmModelOutput(last_hidden_state=hidden_states)  # (batch, seq, hidden_size * directions)
        return output.with_state(CELLS[self.cell_type].join(final))

    def _embed(
        self, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the embeddings, `(batch, seq, embedding_size)`, independent of the values at padding."""
        if input_ids is None:
            assert inputs_embeds is not None
            return inputs_embeds if mask is None else inputs_embeds.masked_fill(~mask[..., None], 0)
        if mask is not None:
            input_ids = input_ids.masked_fill(~mask, self.config.pad_token_id or 0)
        if input_ids.is_cpu and not is_recorded() and input_ids.max() >= self.config.vocab_size:
            raise ValueError(
                f"Token id {int(input_ids.max())} is beyond the {self.config.vocab_size} rows of the embedding: "
                "the tokenizer is not that of this model."
            )
        embedded = self.embed_tokens(input_ids)  # (batch, seq, embedding_size)
        return word_dropout(embedded, input_ids, self.config.vocab_size, self.config.embedding_dropout, self.training)

    def _state_parts(self, state: State | None, batch: int, like: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the tensors of the given state after checking their shapes, or zeros if there is none."""
        cell = CELLS[self.cell_type]
        shape = (self.config.num_hidden_layers * self.num_directions, batch, self.config.hidden_size)
        if state is None:
            return (like.new_zeros(shape),) * len(cell.states)
        parts = cell.split(state)
        if [tuple(part.shape) for part in parts] != [shape] * len(cell.states):
            kind = f"({', '.join(cell.states)}), each" if len(cell.states) > 1 else "a tensor"
            raise ValueError(f"`state` must be {kind} of shape {shape}, got {[tuple(part.shape) for part in parts]}.")
        return parts

    def last_output(self, state: State) -> torch.Tensor:
        """Return the output of the last layer at the last token that each direction has read, from a final state."""
        hidden = CELLS[self.cell_type].split(state)[0]  # (num_layers * directions, batch, hidden_size)
        # (batch, hidden_size * directions)
        return hidden[-self.num_directions :].transpose(0, 1).flatten(1)


class EncodedTexts(NamedTuple):
    """
    Result of [`LstmForSequenceClassification.encode`].

    Args:
        vectors: `(batch, pooled)`, one vector per text.
        state: Final state, as in [`StatefulOutput`].
        hidden_states: As in [`LstmModelOutput`].
    """

    vectors: torch.Tensor
    state: State
    hidden_states: tuple[torch.Tensor, ...] | None


class LstmForSequenceClassification(LstmPreTrainedModel):
    """Text classifier (or regressor): [`LstmModel`], pooling, dropout and a linear layer."""

    def __init__(self, config: LstmConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = LstmModel(config)
        features = config.hidden_size * config.num_directions * POOLINGS[config.pooling].multiple
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(features, config.num_labels)  # type: ignore[arg-type]  # never `None`
        # Replaces the property of `PreTrainedModel`, whose loss has no class weights, label smoothing or soft labels.
        self.loss_function = sequence_classification_loss
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        state: State | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LstmSequenceClassifierOutput:
        """
        Classify a batch of texts.

        Args:
            input_ids, attention_mask, inputs_embeds, state: As in [`LstmModel.forward`].
            labels: As in [`sequence_classification_loss`]; if given, the loss is computed. If `config.problem_type` is
                `None`, it is inferred from the labels and set in the config.

        Returns:
            [`LstmSequenceClassifierOutput`].

        Raises:
            ValueError: As in [`LstmModel.forward`] and [`sequence_classification_loss`].
        """
        encoded = self.encode(input_ids, attention_mask, inputs_embeds, state, **kwargs)
        logits = self.classifier(self.dropout(encoded.vectors))  # (batch, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        output = LstmSequenceClassifierOutput(loss=loss, logits=logits, hidden_states=encoded.hidden_states)
        return output.with_state(encoded.state)

    def encode(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        state: State | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> EncodedTexts:
        """
        Compute one vector per text, the input of the head.

        If only the vectors are needed, the batch is read in parts, which is faster and takes less memory: rows of
        similar length together, and long texts a number of steps at a time. The vectors are the same.

        Args:
            input_ids, attention_mask, inputs_embeds, state: As in [`LstmModel.forward`].

        Returns:
            [`EncodedTexts`].

        Raises:
            ValueError: As in [`LstmModel.forward`].
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "inputs_embeds": inputs_embeds}
        given = {name: value for name, value in inputs.items() if value is not None}
        if not self._reads_in_parts(kwargs.get("output_hidden_states")):
            return self._encode_windows(given, state, [slice(None)], **kwargs)

        # Parts of a batch with a wrong mask can have matching shapes, so [`LstmModel`] would not notice.
        batch, seq = batch_shape(input_ids, attention_mask, inputs_embeds)
        if attention_mask is not None and bool(attention_mask.all()):
            attention_mask = None
            del given["attention_mask"]  # without padding, a mask only takes time
        groups = similar_rows(attention_mask) if state is None else []
        if not groups:
            return self._encode_windows(given, state, self._windows(batch, seq), **kwargs)
        encoded = []
        for rows in groups:
            part = take_rows(given, rows)
            windows = self._windows(*part["attention_mask"].shape)  # (rows, steps)
            encoded.append(self._encode_windows(part, None, windows, **kwargs))
        order = torch.cat(groups).argsort()
        cell = CELLS[self.config.cell_type]
        states = zip(*(cell.split(part.state) for part in encoded), strict=True)
        final = cell.join([torch.cat(tensors, dim=1).index_select(1, order) for tensors in states])
        return EncodedTexts(torch.cat([part.vectors for part in encoded])[order], final, None)

    def _reads_in_parts(self, output_hidden_states: bool | None) -> bool:
        """Return whether a batch is read in parts: in inference, if only the vectors and the state are needed."""
        if self.training:  # dropout draws its masks for the whole batch and all steps
            return False
        if torch.is_grad_enabled():  # the backward pass needs the tensors of all parts anyway
            return False
        if self.config.output_hidden_states if output_hidden_states is None else output_hidden_states:
            return False  # the hidden states are returned as whole tensors
        return not is_recorded()  # the graph will run on batches of other sizes

    def _windows(self, batch: int, seq: int) -> list[slice]:
        """Return the steps that are read together; a direction that starts at the end needs the whole text."""
        return window_slices(batch, seq) if self.config.reads_forward else [slice(None)]

    def _encode_windows(
        self, inputs: dict[str, torch.Tensor], state: State | None, windows: list[slice], **kwargs: Any
    ) -> EncodedTexts:
        """Encode all rows of a batch, one window of steps after the other."""
        pooling: Pooling | None = None
        for window in windows:
            part = {name: value[:, window] for name, value in inputs.items()}
            outputs = self.model(**part, state=state, **kwargs | {"return_dict": True})
            hidden, state = outputs.last_hidden_state, outputs.state  # (batch, window, hidden_size * directions)
            if pooling is None:
                pooling = POOLINGS[self.config.pooling].start(hidden[:, 0])
            pooling = pooling.update(hidden, part.get("attention_mask"), self.model.last_output(outputs.state))
        assert pooling is not None and state is not None
        # Sums are in single precision also where the outputs are not.
        return EncodedTexts(pooling.vector().to(hidden.dtype), state, outputs.hidden_states)  # (batch, pooled)


# Saving a model copies the code files too, so that it loads where this package is not installed.
LstmModel.register_for_auto_class("AutoModel")
LstmForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")

__all__ = ["LstmForSequenceClassification", "LstmModel", "LstmPreTrainedModel", "State", "StatefulOutput"]
