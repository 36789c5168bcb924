"""Classify a text while it arrives: a verdict at any time, at constant memory and constant cost per token.

stream = StreamingClassifier(model, tokenizer)
state = stream.start()
result, state = stream.feed(state, "I was sure that I would ha")
result, state = stream.feed(state, "te it, and then")
result = stream.finish(state)

What was read is in the state alone, which is never changed: a state can be fed twice, stored, or sent elsewhere.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from ..data import pad_batch
from ..models import LstmForSequenceClassification, Pooled
from ..text import is_streamable, take_stable_text
from .prediction import format_predictions, probabilities
from .stream_state import StopRule, StreamResult, StreamState, _check_stop_rule

# Tokens of each stream that one call of the model reads: this bounds the memory of a long piece.
STEPS = 512


class StreamingClassifier:
    """
    Classifies texts piece by piece: exactly as in one call, however they are cut.

    Args:
        model: A classifier of one direction, of any cell and pooling; it is put into evaluation mode, and must not
            change any more.
        tokenizer: Its tokenizer, trained by this package: it can tell where a text may be cut.
        stop_rule: When to say that it is enough; see [`StreamingClassifier.stop_when`].

    Raises:
        ValueError: The model reads from the end, the tokenizer's tokens may depend on what follows them, or the
            stop rule makes no sense for the model.
    """

    def __init__(
        self,
        model: LstmForSequenceClassification,
        tokenizer: PreTrainedTokenizerFast,
        stop_rule: StopRule | None = None,
    ):
        if not model.config.reads_forward:
            raise ValueError(
                "This model reads every text from its end, which a stream does not have yet: train one with "
                "bidirectional=False (train.py --bidirectional false)."
            )
        if not is_streamable(tokenizer):
            raise ValueError(
                "This tokenizer was not trained by hf_lstm: its tokens may change with what follows them, so that a "
                "text in pieces would not be the text in one."
            )
        if model.config.problem_type is None:
            raise ValueError("The model does not say what its scores are: train it, or set config.problem_type.")
        if stop_rule is not None:
            _check_stop_rule(stop_rule, model.config)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.stop_rule = stop_rule
        self.fingerprint = _fingerprint(model, tokenizer, stop_rule)
        empty = StreamState(self.fingerprint, _empty_memory(model))
        (memory, _), *_ = self._read([empty], [[tokenizer.cls_token_id]], each_token=False)
        self._start = replace(empty, memory=memory)

    def stop_when(self, label: str, probability: float, for_tokens: int = 1) -> "StreamingClassifier":
        """
        Makes a classifier that also says when to stop, such as to cut off a language model that goes astray.

        Args:
            label: Label to watch.
            probability: From which probability on a token counts.
            for_tokens: How many tokens in a row have to; more than one ignore a single word.

        Returns:
            A classifier of the same model whose results have `stopped_at`.

        Raises:
            ValueError: There is no such label, or a number makes no sense.
        """
        return StreamingClassifier(self.model, self.tokenizer, StopRule(label, probability, for_tokens))

    def start(self) -> StreamState:
        """The state before the first piece of a text."""
        return self._start

    def feed(
        self, state: StreamState, piece: str | bytes, each_token: bool = False
    ) -> tuple[StreamResult, StreamState]:
        """
        Reads the next piece of a text.

        Args:
            state: From [`StreamingClassifier.start`] or an earlier call; it stays as it is.
            piece: Any part of the text; bytes are UTF-8. The last word waits for what follows: at most 64 characters
                and an unfinished `<br />` or `[CLS]`.
            each_token: Give the scores after every token.

        Returns:
            The result for what was read so far, and the state to feed next.

        Raises:
            ValueError: The state is of another model, tokenizer or stop rule.
        """
        return self.feed_many([state], [piece], each_token)[0]

    def feed_many(
        self, states: Sequence[StreamState], pieces: Sequence[str | bytes], each_token: bool = False
    ) -> list[tuple[StreamResult, StreamState]]:
        """
        Reads the next pieces of independent texts in one batch; each result is that of its stream alone.

        Args:
            states: One of each stream, new and old ones in any order.
            pieces: One for each stream, of any lengths.
            each_token: As in [`StreamingClassifier.feed`].

        Returns:
            What [`StreamingClassifier.feed`] returns, for each.

        Raises:
            ValueError: As in [`StreamingClassifier.feed`], or the numbers of states and pieces differ.
        """
        return self._advance(states, pieces, each_token, at_end=False)

    def finish(self, state: StreamState, each_token: bool = False) -> StreamResult:
        """
        Reads what waits, as if the text ended here.

        Args:
            state: State of the stream; it stays as it is, and can be fed further.
            each_token: Give the scores after every token that waited.

        Returns:
            The result of the whole text.

        Raises:
            ValueError: As in [`StreamingClassifier.feed`].
        """
        return self.finish_many([state], each_token)[0]

    def finish_many(self, states: Sequence[StreamState], each_token: bool = False) -> list[StreamResult]:
        """[`StreamingClassifier.finish`] for independent texts in one batch."""
        return [result for result, _ in self._advance(states, [""] * len(states), each_token, at_end=True)]

    def _advance(
        self, states: Sequence[StreamState], pieces: Sequence[str | bytes], each_token: bool, at_end: bool
    ) -> list[tuple[StreamResult, StreamState]]:
        if len(states) != len(pieces):
            raise ValueError(f"There are {len(states)} states, but {len(pieces)} pieces.")
        known = {name: (part.shape, part.dtype) for name, part in self._start.memory.items()}
        for state in states:
            shapes = {name: (part.shape, part.dtype) for name, part in state.memory.items()}
            if state.fingerprint != self.fingerprint or shapes != known:
                raise ValueError("The state of the stream belongs to another model, tokenizer or stop rule.")
        if not states:
            return []
        arrived = [
            take_stable_text(state.held, state.undecoded, piece, at_end)
            for state, piece in zip(states, pieces, strict=True)
        ]
        texts = [text for text, _, _ in arrived]
        encoded = self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        read = self._read(states, encoded["input_ids"], each_token or self.stop_rule is not None)
        logits = self._head({name: torch.stack([memory[name] for memory, _ in read]) for name in read[0][0]})
        outcomes = []
        for i, (state, (text, held, undecoded)) in enumerate(zip(states, arrived, strict=True)):
            memory, token_logits = read[i]
            scores = probabilities(token_logits, self.model.config.problem_type)
            spans = [(state.position + start, state.position + end) for start, end in encoded["offset_mapping"][i]]
            position = state.position + len(text)
            state = replace(state, memory=memory, held=held, undecoded=undecoded, position=position)
            state = self._watch(state, scores, spans)
            outcomes.append((self._result(state, logits[i : i + 1], scores, spans, each_token), state))
        return outcomes

    @torch.inference_mode()
    def _read(
        self, states: Sequence[StreamState], input_ids: Sequence[Sequence[int]], each_token: bool
    ) -> list[tuple[dict[str, torch.Tensor], np.ndarray]]:
        """The memory after each stream's tokens and, if asked for, the logits after each: `(tokens, num_labels)`."""
        config, device = self.model.config, self.model.device
        memories = [state.memory for state in states]  # on the CPU, as all that goes into one
        token_logits = [[np.zeros((0, config.num_labels), dtype=np.float32)] for _ in states]
        for start in range(0, max(map(len, input_ids)), STEPS):
            rows = [row for row, ids in enumerate(input_ids) if len(ids) > start]
            windows = [input_ids[row][start : start + STEPS] for row in rows]
            batch = {name: part.to(device) for name, part in pad_batch(windows, config.pad_token_id or 0).items()}
            memory = {name: torch.stack([memories[row][name] for row in rows]) for name in memories[0]}
            state = tuple(memory[name].transpose(0, 1).to(device) for name in ("h", "c") if name in memory)
            output = self.model.model(**batch, state=state if len(state) == 2 else state[0], return_dict=True)
            state = output.state if len(state) == 2 else (output.state,)
            read = Pooled.of(config.pooling, output.last_hidden_state, batch["attention_mask"])
            pooled = pooled_of(memory).then(Pooled(*(None if part is None else part.cpu() for part in read)))
            if each_token:
                logits = self._head(running_memory(memory, output.last_hidden_state.cpu()))  # (rows, steps, num_labels)
                for row, window, its_logits in zip(rows, windows, logits, strict=True):
                    token_logits[row].append(its_logits[: len(window)])
            memory = {name: part.transpose(0, 1).cpu() for name, part in zip("hc", state, strict=False)}
            memory |= {name: part for name, part in pooled._asdict().items() if part is not None}
            for i, row in enumerate(rows):
                memories[row] = {name: part[i].clone() for name, part in memory.items()}
        return list(zip(memories, map(np.concatenate, token_logits), strict=True))

    @torch.inference_mode()
    def _head(self, memory: dict[str, torch.Tensor]) -> np.ndarray:
        """Logits `(..., num_labels)` of memories with any dimensions before their own."""
        features = pooled_of(memory).vector(self.model.config.pooling, memory["h"][..., -1, :])
        return self.model.classifier(features.to(self.model.device)).float().cpu().numpy()

    def _watch(self, state: StreamState, scores: np.ndarray, spans: list[tuple[int, int]]) -> StreamState:
        """Counts for the stop rule."""
        if self.stop_rule is None:
            return state
        streak, stopped_at = state.streak, state.stopped_at
        for probability, (_, end) in zip(
            scores[:, self.model.config.label2id[self.stop_rule.label]], spans, strict=True
        ):
            streak = streak + 1 if probability >= self.stop_rule.probability else 0
            if streak == self.stop_rule.for_tokens and stopped_at is None:
                stopped_at = end
        return replace(state, streak=streak, stopped_at=stopped_at)

    def _result(
        self, state: StreamState, logits: np.ndarray, scores: np.ndarray, spans: list, each_token: bool
    ) -> StreamResult:
        config = self.model.config
        now = probabilities(logits, config.problem_type)[0]
        return StreamResult(
            label=format_predictions(logits, config)[0].get("label"),
            scores={config.id2label[i]: float(score) for i, score in enumerate(now)},
            num_tokens=int(state.memory["count"]),
            stopped_at=state.stopped_at,
            token_scores=scores if each_token else None,
            token_spans=spans if each_token else None,
        )


def pooled_of(memory: dict[str, torch.Tensor]) -> Pooled:
    """The part of a memory that pooling keeps."""
    return Pooled(memory.get("highest"), memory.get("total"), memory["count"])


def running_memory(memory: dict[str, torch.Tensor], outputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """
    The memory after every step, as far as the head needs it.

    Args:
        memory: Memory before the first step, of a batch.
        outputs: `(batch, seq, hidden_size)`, of the last layer.

    Returns:
        `h`, `(batch, seq, 1, hidden_size)`; `highest` and `total`, `(batch, seq, hidden_size)`; `count`,
        `(batch, seq, 1)`.
    """
    steps = torch.arange(1, outputs.shape[1] + 1)[:, None]  # (seq, 1)
    running = {"h": outputs[:, :, None], "count": memory["count"][:, None] + steps}
    if "highest" in memory:
        running["highest"] = torch.maximum(memory["highest"][:, None], outputs.cummax(1).values)
    if "total" in memory:
        running["total"] = memory["total"][:, None] + outputs.double().cumsum(1)
    return running


def _empty_memory(model: LstmForSequenceClassification) -> dict[str, torch.Tensor]:
    config, dtype = model.config, model.dtype
    states = "hc" if config.cell_type == "lstm" else "h"
    memory = {name: torch.zeros(config.num_hidden_layers, config.hidden_size, dtype=dtype) for name in states}
    if config.pooling in ("max", "concat"):
        memory["highest"] = torch.full((config.hidden_size,), torch.finfo(dtype).min, dtype=dtype)
    if config.pooling in ("mean", "concat"):
        # Double, since a sum over millions of tokens has to notice the next one.
        memory["total"] = torch.zeros(config.hidden_size, dtype=torch.float64)
    return memory | {"count": torch.zeros(1, dtype=torch.long)}


def _fingerprint(
    model: LstmForSequenceClassification, tokenizer: PreTrainedTokenizerFast, stop_rule: StopRule | None
) -> str:
    """Digest of all that gives a state its meaning."""
    config = model.config
    meaning = (config.cell_type, config.pooling, config.problem_type, sorted(config.id2label.items()), stop_rule)
    digest = hashlib.sha256(repr(meaning).encode())
    # Truncation and padding are how the tokenizer was last called.
    backend = json.loads(tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
    digest.update(json.dumps(backend).encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        digest.update(weights.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()
