# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Configuration of the recurrent models."""

from collections.abc import Iterable
from typing import Any

# `strict` is imported from transformers because this file is saved with the weights and may need no other library.
from transformers.configuration_utils import PreTrainedConfig, strict  # type: ignore[attr-defined]

from .cells_lstm import CELLS
from .pooling_lstm import POOLINGS

# Per-label fields, reset when the labels change.
PER_LABEL_FIELDS = ("threshold", "class_weights", "stop_rule")


@strict
class LstmConfig(PreTrainedConfig):
    r"""
    Configuration of an [`LstmModel`] and of the heads on top of it. Every field is checked when a config is created.

    Args:
        vocab_size: Number of rows of the embedding table; `len(tokenizer)`.
        cell_type: Recurrent cell: `"lstm"` (`nn.LSTM`), `"gru"` (`nn.GRU`) or `"rnn"` (`nn.RNN` with tanh).
        embedding_size: Width of the token embeddings.
        hidden_size: Width of the hidden state of one direction.
        num_hidden_layers: Number of stacked recurrent layers.
        bidirectional: Whether each layer also reads the text from its end to its beginning. Such a model cannot stream.
        reverse: Whether the only direction is from the end to the beginning, for an ensemble with a forward model. Such
            a model cannot stream either.
        pooling: How the outputs of the last layer become one vector per text: `"last"` (the output at the last token;
            for the backward direction, at the first token), `"max"`, `"mean"`, or `"concat"` (all three side by side,
            as in ULMFiT, https://huggingface.co/papers/1801.06146).
        embedding_dropout: Probability that a word is dropped, at all its occurrences in the batch.
        input_dropout: Probability that a feature of the embeddings is dropped, the same features at every step.
        hidden_dropout: The same for the outputs of each layer except the last.
        weight_dropout: Probability that a hidden-to-hidden weight is dropped (DropConnect, AWD-LSTM,
            https://huggingface.co/papers/1708.02182).
        classifier_dropout: Probability that a feature of the pooled vector is dropped before the linear head.
        class_weights: One positive factor per label for the loss of the texts of this class, or, in multi-label
            classification, for the positive examples of this label. `None` gives all the same weight.
        label_smoothing: Fraction of the target that is distributed evenly over the labels, in [0, 1); 0 is the plain
            loss.
        threshold: Probability from which a label is predicted in multi-label classification, or a list with one
            probability per label; a label with the value 1 is never predicted. Training sets the best values on the
            validation split. In single-label classification, a list gives the probability below which the most probable
            label is not returned, and a number has no effect. The stock pipeline does not apply thresholds.
        stop_rule: When to stop a stream, as a dictionary with `label`, `probability` and `for_tokens`: the label has at
            least this probability after each of this many consecutive tokens. `None` is no rule.
        initializer_range: Standard deviation of the normal initialisation of the embeddings and the linear head.
        pad_token_id: Token whose embedding is zero and receives no gradient.
        bos_token_id: Token at the beginning of every text.
        eos_token_id: Token that separates or ends texts.
        tie_word_embeddings: Whether the head of a language model shares its weights with the embedding table.
        sampled_tokens: Number of random tokens that replace the vocabulary in the training loss of a language model.
            Computing the loss over the whole vocabulary takes most of the training time. 0 uses the whole vocabulary,
            as evaluation always does.

    Raises:
        huggingface_hub.errors.StrictDataclassError: A field has an invalid type or value. The message names the field
            and the accepted values.
    """

    model_type = "hf_lstm"

    vocab_size: int = 30_000
    cell_type: str = "lstm"
    embedding_size: int = 128
    hidden_size: int = 128
    num_hidden_layers: int = 1
    bidirectional: bool = True
    reverse: bool = False
    pooling: str = "concat"
    embedding_dropout: float | int = 0.1
    input_dropout: float | int = 0.5
    hidden_dropout: float | int = 0.3
    weight_dropout: float | int = 0.0
    classifier_dropout: float | int = 0.5
    class_weights: list[float | int] | tuple[float | int, ...] | None = None
    label_smoothing: float | int = 0.0
    threshold: float | int | list[float | int] | tuple[float | int, ...] = 0.5
    stop_rule: dict[str, str | float | int] | None = None
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 3
    tie_word_embeddings: bool = False
    sampled_tokens: int = 0

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Create a config from a dictionary, see `PreTrainedConfig.from_dict`; new labels reset per-label fields."""
        if {"num_labels", "id2label"} & kwargs.keys():
            config_dict = {name: value for name, value in config_dict.items() if name not in PER_LABEL_FIELDS}
        return super().from_dict(config_dict, **kwargs)

    @property
    def num_directions(self) -> int:
        """Number of directions in which each layer reads a text."""
        return 2 if self.bidirectional else 1

    @property
    def reads_forward(self) -> bool:
        """Whether the state at a token does not depend on later tokens, so that a text can be read as it arrives."""
        return not (self.bidirectional or self.reverse)

    def validate_choices(self) -> None:
        choices: dict[str, Iterable[str]] = {"cell_type": CELLS, "pooling": POOLINGS}
        for name, accepted in choices.items():
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(map(repr, accepted))}, got {getattr(self, name)!r}."
                )

    def validate_direction(self) -> None:
        if self.bidirectional and self.reverse:
            raise ValueError("`reverse` requires a single direction: set `bidirectional` to false.")

    def validate_sizes(self) -> None:
        for name in ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.sampled_tokens < self.vocab_size:
            raise ValueError(
                f"`sampled_tokens` must be at least 0 and below `vocab_size` ({self.vocab_size}), got "
                f"{self.sampled_tokens}."
            )
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"`pad_token_id` must be at least 0 and below `vocab_size` ({self.vocab_size}), got "
                f"{self.pad_token_id}."
            )

    def validate_probabilities(self) -> None:
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

    def validate_threshold(self) -> None:
        if not isinstance(self.threshold, (list, tuple)):
            thresholds: Iterable[float] = [self.threshold]
        elif len(self.threshold) != self.num_labels:
            raise ValueError(
                f"`threshold` must be one number, or one for each of {self.num_labels} labels, got "
                f"{len(self.threshold)}."
            )
        else:
            thresholds = self.threshold
        if not all(0 <= threshold <= 1 for threshold in thresholds):
            raise ValueError(f"`threshold` must be in [0, 1], got {self.threshold}.")

    def validate_stop_rule(self) -> None:
        if self.stop_rule is None:
            return
        if set(self.stop_rule) != {"label", "probability", "for_tokens"}:
            raise ValueError(
                f"`stop_rule` must have `label`, `probability` and `for_tokens`, got {', '.join(self.stop_rule)}."
            )
        label, probability, tokens = (self.stop_rule[name] for name in ("label", "probability", "for_tokens"))
        labels = [str(name) for name in self.label2id or ()]
        if label not in labels:
            raise ValueError(f"The label of `stop_rule` must be one of {', '.join(labels)}, got {label!r}.")
        if isinstance(probability, str) or not 0 < probability <= 1:
            raise ValueError(f"The probability of `stop_rule` must be above 0 and at most 1, got {probability!r}.")
        if not isinstance(tokens, int) or tokens < 1:
            raise ValueError(f"`for_tokens` of `stop_rule` must be a whole number of at least 1, got {tokens!r}.")
        if self.problem_type == "regression" or not self.reads_forward:
            raise ValueError("`stop_rule` requires a classifier that reads forward: remove it.")

    def validate_class_weights(self) -> None:
        if self.class_weights is None:
            return
        if len(self.class_weights) != self.num_labels:
            raise ValueError(
                f"`class_weights` must have one weight for each of {self.num_labels} labels, got "
                f"{len(self.class_weights)}."
            )
        if not all(weight > 0 for weight in self.class_weights):
            raise ValueError(f"`class_weights` must be positive, got {self.class_weights}.")
        if self.problem_type == "regression":
            raise ValueError("`class_weights` cannot be used in a regression: remove them.")


# Saving a model copies the code files too, so that it loads where this package is not installed.
LstmConfig.register_for_auto_class()

__all__ = ["LstmConfig"]
