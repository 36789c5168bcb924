# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Recurrent language model: the backbone of the classifiers, and a head that says which token comes next."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import GenerationMixin
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from .configuration_lstm import LstmConfig
from .modeling_lstm import LstmModel, LstmPreTrainedModel, State, StatefulOutput
from .recurrence_lstm import variational_dropout

# Scores of tokens that are held at a time while the loss is computed: 128 MB in single precision.
CHUNK_SCORES = 2**25


@dataclass
class LstmCausalLMOutput(StatefulOutput):
    """
    Output of [`LstmForCausalLM`], with a [`StatefulOutput.state`].

    Args:
        loss: Scalar, the mean over the predicted tokens, when labels were given; `exp(loss)` is the perplexity.
        logits: `(batch, kept, vocab_size)`, of what follows each step; `None` where labels were given, since for a
            whole batch they would take more memory than all else.
        hidden_states: As in [`LstmModelOutput`].
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


class LstmForCausalLM(LstmPreTrainedModel, GenerationMixin):
    """
    Next-token model: [`LstmModel`], a projection to the width of the embeddings, and a score for every token.

    A classifier loads its backbone with plain `from_pretrained`. With `config.tie_word_embeddings` the scores are
    products with the embeddings themselves (Press and Wolf, 2017, https://huggingface.co/papers/1608.05859). With
    `config.reverse` it reads from the end and predicts the token before.
    """

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _is_stateful = True
    auto_map = LstmPreTrainedModel.auto_map | {"AutoModelForCausalLM": "modeling_causal_lstm.LstmForCausalLM"}

    def __init__(self, config: LstmConfig):
        super().__init__(config)
        if config.bidirectional:
            raise ValueError("A language model reads in one direction, or it would see what it has to predict.")
        self.model = LstmModel(config)
        self.projection = nn.Linear(config.hidden_size, config.embedding_size)
        self.lm_head = nn.Linear(config.embedding_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        self.lm_head = new_embeddings

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        state: State | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int = 0,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LstmCausalLMOutput:
        """
        Predicts what follows each token of a batch of texts.

        Args:
            input_ids, attention_mask, inputs_embeds, state: As in [`LstmModel.forward`].
            labels: `(batch, seq)`, the input ids themselves, -100 where a token is not to be predicted; the shift is
                done here. Sets the loss instead of the logits.
            logits_to_keep: Last steps of which logits are computed; 0 is all.

        Returns:
            [`LstmCausalLMOutput`].

        Raises:
            ValueError: As in [`LstmModel.forward`].
        """
        outputs = self.model(input_ids, attention_mask, inputs_embeds, state, **kwargs | {"return_dict": True})
        hidden_states = outputs.last_hidden_state  # (batch, seq, hidden_size)
        loss = logits = None
        if labels is None:
            logits = self.lm_head(self.projection(hidden_states[:, -logits_to_keep:]))  # (batch, kept, vocab_size)
        else:
            hidden_states = variational_dropout(hidden_states, self.config.hidden_dropout, self.training)
            loss = self._next_token_loss(hidden_states, labels, attention_mask)
        output = LstmCausalLMOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)
        return output.with_state(outputs.state)

    def _next_token_loss(
        self, hidden_states: torch.Tensor, labels: torch.LongTensor, attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Mean cross entropy; scores exist for a chunk of steps at a time and are computed again for the gradient."""
        here, there = (slice(1, None), slice(None, -1)) if self.config.reverse else (slice(None, -1), slice(1, None))
        predicted = labels[:, there] != -100  # (batch, seq - 1)
        if attention_mask is not None:  # padding neither predicts nor is predicted
            predicted = predicted & (attention_mask[:, here] != 0) & (attention_mask[:, there] != 0)
        hidden_states, targets = hidden_states[:, here][predicted], labels[:, there][predicted]  # (tokens, ...)
        sampled = None
        if self.training and self.config.sampled_tokens:
            sampled = self._sample_tokens(targets.device)
        chunk = max(1, CHUNK_SCORES // (self.config.vocab_size if sampled is None else 1 + len(sampled)))
        total = hidden_states.new_zeros((), dtype=torch.float32)
        for start in range(0, len(targets), chunk):
            part = (hidden_states[start : start + chunk], targets[start : start + chunk], sampled)
            many = len(targets) > chunk and torch.is_grad_enabled()
            total = total + (checkpoint(self._loss_sum, *part, use_reentrant=False) if many else self._loss_sum(*part))
        return total / max(1, len(targets))

    def _loss_sum(
        self, hidden_states: torch.Tensor, targets: torch.LongTensor, sampled: torch.LongTensor | None
    ) -> torch.Tensor:
        """Sum of the cross entropies of `(tokens, hidden_size)` and `(tokens,)`, over all tokens or sampled ones."""
        vectors = self.projection(hidden_states)  # (tokens, embedding_size)
        if sampled is None:
            return F.cross_entropy(self.lm_head(vectors).float(), targets, reduction="sum")
        weight, bias = self.lm_head.weight, self.lm_head.bias
        others = F.linear(vectors, weight[sampled], bias[sampled]).float()  # (tokens, sampled)
        others = others - self._log_chance(sampled)
        # A token that is drawn by chance is not wrong where it is the right one.
        others = others.masked_fill(sampled == targets[:, None], torch.finfo(others.dtype).min)
        right = ((vectors * weight[targets]).sum(1) + bias[targets]).float()  # (tokens,)
        right = right - self._log_chance(targets)
        scores = torch.cat([right[:, None], others], dim=1)  # (tokens, 1 + sampled)
        return F.cross_entropy(scores, targets.new_zeros(len(targets)), reduction="sum")

    def _sample_tokens(self, device: torch.device) -> torch.LongTensor:
        """Token ids, each once, drawn with Zipf's frequencies: a trained vocabulary has its frequent tokens first."""
        uniform = torch.rand(self.config.sampled_tokens, device=device, dtype=torch.float64)
        ids = torch.exp(uniform * math.log(self.config.vocab_size + 1)).long() - 1
        return ids.clamp(0, self.config.vocab_size - 1).unique()  # (sampled,)

    def _log_chance(self, ids: torch.LongTensor) -> torch.Tensor:
        """
        Logarithm of how likely each id is in a sample, by which its score is lowered.

        With it the sampled softmax approaches the whole one as the sample grows (Jean et al., 2015,
        https://aclanthology.org/P15-1001).
        """
        ids = ids.to(torch.float64)
        share = torch.log((ids + 2) / (ids + 1)) / math.log(self.config.vocab_size + 1)
        return torch.log(-torch.expm1(self.config.sampled_tokens * torch.log1p(-share))).float()

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, state=None, logits_to_keep=None, **kwargs):
        """What `generate` gives the next call: all at first, then the last token and the state before it."""
        if self.config.reverse and state is None and input_ids.shape[1] > 1:
            raise ValueError("A model that reads from the end writes from there: let it start from a single token.")
        if state is not None:
            return {"input_ids": input_ids[:, -1:], "state": state, "logits_to_keep": 1}
        return {"input_ids": input_ids, "attention_mask": attention_mask, "logits_to_keep": 1}

    def _update_model_kwargs_for_generation(self, outputs, model_kwargs, *args, **kwargs):
        model_kwargs = super()._update_model_kwargs_for_generation(outputs, model_kwargs, *args, **kwargs)
        return model_kwargs | {"state": outputs.state}

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # what `generate` carries along is the state


# Saving a model copies the code files too, so that it loads where this package is not installed.
LstmForCausalLM.register_for_auto_class("AutoModelForCausalLM")

__all__ = ["LstmForCausalLM"]
