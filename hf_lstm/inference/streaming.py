"""Classify a text while it arrives, with a prediction at any time, and constant memory and cost per token.

stream = StreamingClassifier(model, tokenizer)
state = stream.start()
result, state = stream.feed(state, "I was sure that I would ha")
result, state = stream.feed(state, "te it, and then")
result = stream.finish(state)

A state is not modified by later calls, so it can be used several times, stored, or sent to another process.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from ..models import LstmForSequenceClassification
from ..text import is_streamable, take_stable_text
from .encoding import untruncated_copy
from .prediction import label_thresholds, predicted_labels, probabilities
from .stream_state import StopRule, StreamResult, StreamState, check_stop_rule
from .token_reader import TokenReader


class StreamingClassifier:
    """
    Classify texts piece by piece. The results do not depend on where a text is divided.

    Args:
        model: A classifier that reads forward, with any cell and pooling. It is put into evaluation mode, and its
            weights must not change afterwards.
        tokenizer: Tokenizer of the model, trained by this package, because only then is it known where a text can be
            divided without changing its tokens.
        stop_rule: Condition for stopping, see [`StreamingClassifier.stop_when`].

    Raises:
        ValueError: The model does not read forward or has no problem type, the tokens of the tokenizer may depend on
            the text after them, or the model cannot follow the stop rule.
    """

    def __init__(
        self,
        model: LstmForSequenceClassification,
        tokenizer: PreTrainedTokenizerFast,
        stop_rule: StopRule | None = None,
    ):
        if not model.config.reads_forward:
            raise ValueError(
                "This model reads texts from their end, so it cannot classify a stream: train a model with "
                "bidirectional=False and reverse=False."
            )
        if not is_streamable(tokenizer):
            raise ValueError(
                "This tokenizer was not trained by hf_lstm: its tokens may depend on the text after them, so that the "
                "pieces of a text could have other tokens than the text."
            )
        if model.config.problem_type is None:
            raise ValueError("The config has no problem_type: train the model, or set config.problem_type.")
        if stop_rule is not None:
            check_stop_rule(stop_rule, model.config)
        self.model: LstmForSequenceClassification = model.eval()
        self.tokenizer = tokenizer
        self.stop_rule = stop_rule
        self.problem_type: str = model.config.problem_type
        self.labels = [str(name) for _, name in sorted((model.config.id2label or {}).items())]
        self._thresholds = label_thresholds(model.config)
        self.fingerprint = _fingerprint(model, tokenizer, stop_rule)
        self._backend = untruncated_copy(tokenizer)
        self._reader = TokenReader(model)
        (memory,), _, _ = self._reader.read([self._reader.start()], [[tokenizer.cls_token_id]], each_token=False)
        self._shapes = {name: (part.shape, part.dtype) for name, part in memory.items()}
        self._start = StreamState(self.fingerprint, memory, num_tokens=1)

    def stop_when(self, label: str, probability: float, for_tokens: int = 1) -> "StreamingClassifier":
        """
        Return a classifier with a stop rule, for instance to stop a language model when its text becomes toxic.

        Args:
            label: Label to watch.
            probability: Probability that the label must reach.
            for_tokens: Number of consecutive tokens after which it must be reached. With more than one, a single word
                cannot meet the rule.

        Returns:
            A classifier with the same model, whose results have `stopped_at`.

        Raises:
            ValueError: There is no such label, or a number is out of range.
        """
        return StreamingClassifier(self.model, self.tokenizer, StopRule(label, probability, for_tokens))

    def start(self) -> StreamState:
        """Return the state before the first piece of a text."""
        return self._start

    def feed(
        self, state: StreamState, piece: str | bytes, each_token: bool = False
    ) -> tuple[StreamResult, StreamState]:
        """
        Read the next piece of a text.

        Args:
            state: State from [`StreamingClassifier.start`] or an earlier call; it is not modified.
            piece: Any part of the text; bytes are UTF-8. The last word is not read before the next piece: at most 64
                characters and an unfinished `<br />` or `[CLS]`.
            each_token: Return the scores after every token.

        Returns:
            The result for the text read so far, and the state for the next call.

        Raises:
            ValueError: The state belongs to another model, tokenizer or stop rule.
            TypeError: The piece is neither a string nor bytes.
        """
        return self.feed_many([state], [piece], each_token)[0]

    def feed_many(
        self,
        states: Sequence[StreamState],
        pieces: Sequence[str | bytes],
        each_token: bool = False,
        ended: Sequence[bool] | None = None,
    ) -> list[tuple[StreamResult, StreamState]]:
        """
        Read the next pieces of independent texts in one batch. The results are the same as those of separate calls.

        Args:
            states: One state per text, new and old ones in any order.
            pieces: One piece per text, of any lengths.
            each_token: As in [`StreamingClassifier.feed`].
            ended: Whether each text ends with its piece, so that no text is held back; `None` if no text ends.

        Returns:
            The return value of [`StreamingClassifier.feed`] for each text.

        Raises:
            ValueError: As in [`StreamingClassifier.feed`], or the numbers of states, pieces and `ended` differ.
            TypeError: A piece is neither a string nor bytes.
        """
        ended = [False] * len(states) if ended is None else ended
        if not len(states) == len(pieces) == len(ended):
            raise ValueError(
                f"There are {len(states)} states, but {len(pieces)} pieces and {len(ended)} values of `ended`."
            )
        for state in states:
            shapes = {name: (part.shape, part.dtype) for name, part in state.memory.items()}
            if state.fingerprint != self.fingerprint or shapes != self._shapes:
                raise ValueError("The stream state belongs to another model, tokenizer or stop rule.")
        return self._advance(states, pieces, each_token, ended) if states else []

    def finish(self, state: StreamState, each_token: bool = False) -> StreamResult:
        """
        Read the text that is still held back, as the end of the text.

        Args:
            state: State of the stream; it is not modified and can be fed further.
            each_token: Return the scores after every token that was held back.

        Returns:
            The result for the whole text.

        Raises:
            ValueError: As in [`StreamingClassifier.feed`].
        """
        return self.finish_many([state], each_token)[0]

    def finish_many(self, states: Sequence[StreamState], each_token: bool = False) -> list[StreamResult]:
        """Call [`StreamingClassifier.finish`] for independent texts in one batch."""
        count = len(states)
        return [result for result, _ in self.feed_many(states, [""] * count, each_token, [True] * count)]

    def _advance(
        self,
        states: Sequence[StreamState],
        pieces: Sequence[str | bytes],
        each_token: bool,
        ended: Sequence[bool],
    ) -> list[tuple[StreamResult, StreamState]]:
        arrived = [
            take_stable_text(state.held, state.undecoded, piece, at_end)
            for state, piece, at_end in zip(states, pieces, ended, strict=True)
        ]
        encoded = self._backend.encode_batch([text for text, _, _ in arrived], add_special_tokens=False)
        memories, logits, token_logits = self._reader.read(
            [state.memory for state in states],
            [encoding.ids for encoding in encoded],
            each_token or self.stop_rule is not None,
        )
        # For all streams at once, because a call for each of them would take longer than reading their tokens.
        all_scores = probabilities(np.concatenate([logits, *token_logits]), self.problem_type)
        labels = predicted_labels(all_scores[: len(states)], self.labels, self._thresholds, self.problem_type)
        scores, start = all_scores[: len(states)].tolist(), len(states)
        outcomes = []
        for i, (state, (text, held, undecoded)) in enumerate(zip(states, arrived, strict=True)):
            spans = [(state.position + first, state.position + end) for first, end in encoded[i].offsets]
            token_scores, start = all_scores[start : start + len(token_logits[i])], start + len(token_logits[i])
            streak, stopped_at = self._follow_rule(state, token_scores, spans)
            num_tokens, position = state.num_tokens + len(spans), state.position + len(text)
            state = StreamState(
                self.fingerprint, memories[i], num_tokens, undecoded, held, position, streak, stopped_at
            )
            wanted = (token_scores, spans) if each_token else (None, None)
            result = StreamResult(
                labels[i], dict(zip(self.labels, scores[i], strict=True)), num_tokens, stopped_at, *wanted
            )
            outcomes.append((result, state))
        return outcomes

    def _follow_rule(
        self, state: StreamState, scores: np.ndarray, spans: list[tuple[int, int]]
    ) -> tuple[int, int | None]:
        """Return the streak of the stop rule and `stopped_at` after new tokens with these scores."""
        streak, stopped_at = state.streak, state.stopped_at
        if self.stop_rule is None:
            return streak, stopped_at
        reached = scores[:, self.labels.index(self.stop_rule.label)] >= self.stop_rule.probability  # (tokens,)
        for is_reached, (_, end) in zip(reached.tolist(), spans, strict=True):
            streak = streak + 1 if is_reached else 0
            if streak == self.stop_rule.for_tokens and stopped_at is None:
                stopped_at = end
        return streak, stopped_at


def _fingerprint(
    model: LstmForSequenceClassification, tokenizer: PreTrainedTokenizerFast, stop_rule: StopRule | None
) -> str:
    """Return a digest of everything that a state depends on."""
    config = model.config
    labels = sorted((config.id2label or {}).items())
    digest = hashlib.sha256(repr((config.cell_type, config.pooling, config.problem_type, labels, stop_rule)).encode())
    # The truncation and padding of the last call do not belong to the tokenizer.
    backend = json.loads(tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
    digest.update(json.dumps(backend).encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        digest.update(weights.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()
