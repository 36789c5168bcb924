# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Configuration of the recurrent models."""

from typing import Literal

# `strict` comes by way of transformers: this file travels with the weights and needs nothing but torch and that.
from transformers.configuration_utils import PreTrainedConfig, strict

# Fields with a number for each label: a config that is given other labels does not keep them.
OF_EACH_LABEL = ("threshold", "class_weights")


@strict
class LstmConfig(PreTrainedConfig):
    r"""
    Shape, regularisation and loss of an [`LstmModel`] and of the heads on top of it; every field is checked when built.

    Args:
        vocab_size: Rows of the embedding table; `len(tokenizer)`.
        cell_type: Recurrent cell: `"lstm"` (`nn.LSTM`), `"gru"` (`nn.GRU`) or `"rnn"` (`nn.RNN` with tanh).
        embedding_size: Width of the token embeddings.
        hidden_size: Width of the hidden state of one direction.
        num_hidden_layers: Stacked recurrent layers.
        bidirectional: Whether every layer also reads the text from its end. Such a model cannot stream.
        reverse: Whether the one direction is from the end to the beginning: a partner for the average with a forward
            model. It cannot stream either.
        pooling: How the outputs of the last layer become one vector per text: `"last"` (the classic last time step;
            for the backward direction, its last step is the first token), `"max"`, `"mean"`, or `"concat"` (all three
            side by side, as in ULMFiT, https://huggingface.co/papers/1801.06146).
        embedding_dropout: Probability that a word is dropped, wherever it stands in the batch.
        input_dropout: Probability that a feature of the embeddings is dropped, the same features at every step.
        hidden_dropout: The same for the outputs of each layer but the last.
        weight_dropout: Probability that a hidden-to-hidden weight is dropped (DropConnect, AWD-LSTM,
            https://huggingface.co/papers/1708.02182).
        classifier_dropout: Probability that a feature of the pooled vector is dropped before the linear head.
        class_weights: One positive factor per label on its part of the loss: on the rows of a class, or in multi-label
            classification on the positive examples of a label. `None` weighs all the same.
        label_smoothing: Share of the target spread evenly over the labels, in [0, 1); 0 is the plain loss.
        threshold: Probability from which a label counts as predicted where a text may have several, or one for each
            label. Training sets those that are best on the validation split.
        initializer_range: Standard deviation of the normal initialisation of the embeddings and the linear head.
        pad_token_id: Token whose embedding is zero and receives no gradient.
        bos_token_id: Token every text starts with.
        eos_token_id: Token that separates or ends texts.
        tie_word_embeddings: Whether a language-model head shares the embedding table.
        sampled_tokens: Random tokens among which a language model in training has to find the next one, instead of the
            whole vocabulary, which would take most of the time; 0 takes the whole. Evaluation always does.

    Raises:
        huggingface_hub.errors.StrictDataclassError: A field has a wrong type or value; the message names both.
    """

    model_type = "hf_lstm"

    vocab_size: int = 30_000
    cell_type: Literal["lstm", "gru", "rnn"] = "lstm"
    embedding_size: int = 128
    hidden_size: int = 128
    num_hidden_layers: int = 1
    bidirectional: bool = True
    reverse: bool = False
    pooling: Literal["last", "max", "mean", "concat"] = "concat"
    embedding_dropout: float | int = 0.1
    input_dropout: float | int = 0.5
    hidden_dropout: float | int = 0.3
    weight_dropout: float | int = 0.0
    classifier_dropout: float | int = 0.5
    class_weights: list[float | int] | tuple[float | int, ...] | None = None
    label_smoothing: float | int = 0.0
    threshold: float | int | list[float | int] | tuple[float | int, ...] = 0.5
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 3
    tie_word_embeddings: bool = False
    sampled_tokens: int = 0

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        if {"num_labels", "id2label"} & kwargs.keys():
            config_dict = {name: value for name, value in config_dict.items() if name not in OF_EACH_LABEL}
        return super().from_dict(config_dict, **kwargs)

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def reads_forward(self) -> bool:
        """Whether the state at a token depends on nothing after it, so that a text can be read as it arrives."""
        return not (self.bidirectional or self.reverse)

    def validate_direction(self):
        if self.bidirectional and self.reverse:
            raise ValueError("`reverse` is for one direction: set `bidirectional` to false.")

    def validate_sizes(self):
        for name in ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.sampled_tokens < self.vocab_size:
            raise ValueError(
                f"`sampled_tokens` must be below `vocab_size` ({self.vocab_size}), got {self.sampled_tokens}."
            )
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"`pad_token_id` must be below `vocab_size` ({self.vocab_size}), got {self.pad_token_id}.")

    def validate_probabilities(self):
        for name in (
            "embedding_dropout",
            "input_dropout",
            "hidden_dropout",
            "weight_dropout",
            "classifier_dropout",
            "label_smoothing",
        ):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be in [0, 1), got {getattr(self, name)}.")

    def validate_threshold(self):
        if not isinstance(self.threshold, (list, tuple)):
            thresholds = [self.threshold]
        elif len(self.threshold) != self.num_labels:
            raise ValueError(
                f"`threshold` needs one number, or one for each of {self.num_labels} labels, got {len(self.threshold)}."
            )
        else:
            thresholds = self.threshold
        if not all(0 <= threshold < 1 for threshold in thresholds):
            raise ValueError(f"`threshold` must be in [0, 1), got {self.threshold}.")

    def validate_class_weights(self):
        if self.class_weights is None:
            return
        if len(self.class_weights) != self.num_labels:
            raise ValueError(
                f"`class_weights` needs one weight for each of {self.num_labels} labels, got {len(self.class_weights)}."
            )
        if not all(weight > 0 for weight in self.class_weights):
            raise ValueError(f"`class_weights` must be positive, got {self.class_weights}.")
        if self.problem_type == "regression":
            raise ValueError("`class_weights` have no meaning in a regression: leave them out.")


# Saving a model copies the code files too, so that it loads where this package is not installed.
LstmConfig.register_for_auto_class()

__all__ = ["LstmConfig"]
