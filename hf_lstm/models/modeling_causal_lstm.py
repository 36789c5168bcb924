# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Recurrent language model: the backbone of the classifiers and a head that predicts the next token."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import GenerationMixin
from transformers.processing_utils import Unpack  # type: ignore[attr-defined]
from transformers.utils.generic import TransformersKwargs, can_return_tuple

from .cells_lstm import CELLS
from .configuration_lstm import LstmConfig
from .modeling_lstm import LstmModel, LstmPreTrainedModel, State, StatefulOutput
from .recurrence_lstm import variational_dropout

# Token scores that are held at a time while the loss is computed on a CPU: 128 MB in single precision.
CHUNK_SCORES = 2**25

# On a GPU one score is held per this many bytes of its memory. A score takes up to 14 bytes in forward and backward, so
# that at most a fifth of the memory is used, and the batches that fit need no second computation for the gradient.
GPU_BYTES_PER_SCORE = 64


def chunk_scores(device: torch.device) -> int:
    """Number of token scores that are held at a time on a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // GPU_BYTES_PER_SCORE
    return CHUNK_SCORES


@dataclass
class LstmCausalLMOutput(StatefulOutput):
    """
    Output of [`LstmForCausalLM`], with a [`StatefulOutput.state`].

    Args:
        loss: Scalar, the mean over the predicted tokens, when labels were given; `exp(loss)` is the perplexity.
        logits: `(batch, kept, vocab_size)`, the scores of the token after each step; `None` when labels were given
            without `logits_to_keep`, because for a whole batch they would take more memory than everything else.
        hidden_states: As in [`LstmModelOutput`].
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


class LstmForCausalLM(LstmPreTrainedModel, GenerationMixin):
    """
    Next-token model: [`LstmModel`], a projection to the width of the embeddings, and a score for every token.

    A classifier loads its backbone with plain `from_pretrained`. With `config.tie_word_embeddings` the scores are
    products with the embeddings themselves (Press and Wolf, 2017, https://huggingface.co/papers/1608.05859). With
    `config.reverse` the model reads from the end and predicts the previous token.
    """

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _is_stateful = True
    auto_map = LstmPreTrainedModel.auto_map | {"AutoModelForCausalLM": "modeling_causal_lstm.LstmForCausalLM"}

    def __init__(self, config: LstmConfig):
        super().__init__(config)
        if config.bidirectional:
            raise ValueError("A language model reads in one direction: set `bidirectional` to false.")
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
        logits_to_keep: int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LstmCausalLMOutput:
        """
        Predict the token after each token of a batch of texts.

        Args:
            input_ids, attention_mask, inputs_embeds, state: As in [`LstmModel.forward`].
            labels: `(batch, seq)`, the input ids, with -100 at tokens that are not predicted; the shift is done here.
                Or `(batch, seq + 1)`, with the token that follows the last input (in reverse: precedes the first), so
                that no token is lost where a long stream is cut into blocks. With labels the loss is computed, and
                the logits only if `logits_to_keep` is given, too.
            logits_to_keep: Number of last steps whose logits are computed; 0 means all, and so does `None` without
                labels.

        Returns:
            [`LstmCausalLMOutput`].

        Raises:
            ValueError: As in [`LstmModel.forward`].
        """
        outputs = self.model(input_ids, attention_mask, inputs_embeds, state, **kwargs | {"return_dict": True})
        hidden_states = outputs.last_hidden_state  # (batch, seq, hidden_size)
        loss = logits = None
        if labels is None or logits_to_keep is not None:
            kept = hidden_states[:, -(logits_to_keep or 0) :]
            logits = self.lm_head(self.projection(kept))  # (batch, kept, vocab_size)
        if labels is not None:
            hidden_states = variational_dropout(hidden_states, self.config.hidden_dropout, self.training)
            loss = self._next_token_loss(hidden_states, labels, attention_mask)
        output = LstmCausalLMOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)
        return output.with_state(outputs.state)

    def _next_token_loss(
        self, hidden_states: torch.Tensor, labels: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """
        Mean cross entropy. Scores exist for one chunk of steps at a time and are computed again for the gradient.

        The positions are not read on the CPU, because that would synchronise with the GPU: the steps that predict
        nothing are computed, too, and ignored.
        """
        reverse = self.config.reverse
        targets = labels[:, :-1] if reverse else labels[:, 1:]  # (batch, predicted)
        steps = slice(-targets.shape[1], None) if reverse else slice(targets.shape[1])
        if attention_mask is not None:  # padding neither predicts nor is predicted
            real = attention_mask != 0
            predicted = real[:, steps]
            if labels.shape == real.shape:
                predicted = predicted & (real[:, :-1] if reverse else real[:, 1:])
            targets = targets.masked_fill(~predicted, -100)
        hidden_states, targets = hidden_states[:, steps].flatten(0, 1), targets.flatten()  # (tokens, ...)
        sampled = None
        if self.training and self.config.sampled_tokens:
            sampled = self._sample_tokens(targets.device)
        chunk = chunk_scores(targets.device) // (self.config.vocab_size if sampled is None else 1 + len(sampled))
        chunk = max(1, chunk)
        total = hidden_states.new_zeros((), dtype=torch.float32)
        for start in range(0, len(targets), chunk):
            part = (hidden_states[start : start + chunk], targets[start : start + chunk], sampled)
            if len(targets) > chunk and torch.is_grad_enabled():
                # Nothing random is computed, and to read the random state of a GPU would mean to wait for it.
                total = total + checkpoint(self._loss_sum, *part, use_reentrant=False, preserve_rng_state=False)
            else:
                total = total + self._loss_sum(*part)
        return total / (targets != -100).sum().clamp(min=1)

    def _loss_sum(
        self, hidden_states: torch.Tensor, targets: torch.Tensor, sampled: torch.Tensor | None
    ) -> torch.Tensor:
        """
        Sum of the cross entropies of `(tokens, hidden_size)` and `(tokens,)`, over the vocabulary or sampled tokens.

        Targets of -100 are ignored.
        """
        vectors = self.projection(hidden_states)  # (tokens, embedding_size)
        if sampled is None:
            return F.cross_entropy(self.lm_head(vectors).float(), targets, reduction="sum")
        weight, bias = self.lm_head.weight, self.lm_head.bias
        place = torch.where(targets == -100, targets, 0)  # of the right token among the scores
        targets = targets.clamp(min=0)
        others = F.linear(vectors, weight[sampled], bias[sampled]).float()  # (tokens, sampled)
        others = others - self._log_chance(sampled)
        # A sampled token is not wrong where it is the right one.
        others = others.masked_fill(sampled == targets[:, None], torch.finfo(others.dtype).min)
        right = ((vectors * weight[targets]).sum(1) + bias[targets]).float()  # (tokens,)
        right = right - self._log_chance(targets)
        scores = torch.cat([right[:, None], others], dim=1)  # (tokens, 1 + sampled)
        return F.cross_entropy(scores, place, reduction="sum")

    def _sample_tokens(self, device: torch.device) -> torch.Tensor:
        """
        Draw token ids, each at most once, with Zipf's frequencies: a trained vocabulary has its frequent tokens first.

        They are drawn on the CPU: how many of them are different decides the shape of the scores, and a GPU would have
        to be waited for.
        """
        uniform = torch.rand(self.config.sampled_tokens, dtype=torch.float64)
        ids = torch.exp(uniform * math.log(self.config.vocab_size + 1)).long() - 1
        ids = ids.clamp(0, self.config.vocab_size - 1).unique()  # (sampled,)
        return ids.to(device, non_blocking=True)

    def _log_chance(self, ids: torch.Tensor) -> torch.Tensor:
        """
        Logarithm of the probability that each id is in a sample.

        With the scores lowered by it, the sampled softmax approaches the full one as the sample grows (Jean et al.,
        2015, https://aclanthology.org/P15-1001).
        """
        ids = ids.to(torch.float64)
        share = torch.log((ids + 2) / (ids + 1)) / math.log(self.config.vocab_size + 1)
        return torch.log(-torch.expm1(self.config.sampled_tokens * torch.log1p(-share))).float()

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, state=None, logits_to_keep=None, **kwargs):
        """Inputs of the next call of `generate`: all tokens at first, then the last token and the state before it."""
        if self.config.reverse and state is None and input_ids.shape[1] > 1:
            raise ValueError("A model with `reverse` generates from the end: start from a single token.")
        if state is not None:
            return {"input_ids": input_ids[:, -1:], "state": state, "logits_to_keep": 1}
        return {"input_ids": input_ids, "attention_mask": attention_mask, "logits_to_keep": 1}

    def _update_model_kwargs_for_generation(self, outputs, model_kwargs, *args, **kwargs):
        model_kwargs = super()._update_model_kwargs_for_generation(outputs, model_kwargs, *args, **kwargs)
        return model_kwargs | {"state": outputs.state}

    def _reorder_cache(self, state: State, beam_idx: torch.Tensor) -> State:
        """Return the state of each beam after beam search has replaced some beams by continuations of others."""
        cell = CELLS[self.config.cell_type]
        return cell.join([part.index_select(1, beam_idx.to(part.device)) for part in cell.split(state)])

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # `generate` carries the state instead


# Saving a model copies the code files too, so that it loads where this package is not installed.
LstmForCausalLM.register_for_auto_class("AutoModelForCausalLM")

__all__ = ["LstmForCausalLM"]
