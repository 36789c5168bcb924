"""The state of a stream: what was read so far, and how it is stored."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..messages import one_line

# First line of a stored state; the number changes with the format.
FORMAT = b"hf_lstm state 1"


@dataclass(frozen=True)
class StopRule:
    """When to stop: `label` has at least this `probability` after each of `for_tokens` tokens in a row."""

    label: str
    probability: float
    for_tokens: int


@dataclass(frozen=True)
class StreamState:
    """
    All that a [`StreamingClassifier`] knows of a text so far; its size does not grow with the text.

    Args:
        fingerprint: Of the model, tokenizer and stop rule that it belongs to.
        memory: `h`, and `c` of an LSTM, `(num_layers, hidden_size)`; `highest`, `total` and `count` of the pooling, as
            far as the model needs them. On the CPU, wherever the model is, so that a state can go anywhere.
        undecoded: Beginning of a character whose other bytes have not arrived.
        held: Text that has arrived and is not read yet, since its tokens depend on what follows.
        position: Characters that were read: where `held` starts.
        streak: Tokens in a row after which the stop rule's label was probable enough.
        stopped_at: Character at which the stop rule was met; `None` until then.
    """

    fingerprint: str
    memory: dict[str, torch.Tensor]
    undecoded: bytes = b""
    held: str = ""
    position: int = 0
    streak: int = 0
    stopped_at: int | None = None

    def to_bytes(self) -> bytes:
        """
        Makes bytes of the state, to store or to send.

        Returns:
            Lines with the format's version, a digest (which finds damage, but is no signature) and a JSON header, then
            safetensors.
        """
        header = {
            "fingerprint": self.fingerprint,
            "undecoded": self.undecoded.hex(),
            "held": self.held,
            "position": self.position,
            "streak": self.streak,
            "stopped_at": self.stopped_at,
        }
        tensors = save({name: part.cpu().contiguous() for name, part in self.memory.items()})
        payload = json.dumps(header).encode() + b"\n" + tensors
        return b"\n".join([FORMAT, hashlib.sha256(payload).hexdigest().encode(), payload])

    @classmethod
    def from_bytes(cls, data: bytes) -> "StreamState":
        """
        Reads what [`StreamState.to_bytes`] wrote; nothing in it is executed.

        Args:
            data: The bytes.

        Returns:
            The state. Whether it belongs to a model is checked when it is fed.

        Raises:
            ValueError: The bytes are no state, one of another version, or damaged.
        """
        version, _, rest = data.partition(b"\n")
        if version != FORMAT:
            raise ValueError("These bytes are no state of a stream, or one of another version of hf_lstm.")
        digest, _, payload = rest.partition(b"\n")
        if hashlib.sha256(payload).hexdigest().encode() != digest:
            raise ValueError("The state of the stream is damaged: bytes are missing or were changed.")
        header, _, tensors = payload.partition(b"\n")
        try:
            fields = json.loads(header)
            return cls(memory=load(tensors), **fields | {"undecoded": bytes.fromhex(fields["undecoded"])})
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ValueError(f"The state of the stream does not hold what it should ({one_line(error)}).") from None


@dataclass(frozen=True)
class StreamResult:
    """
    The verdict on the text so far.

    Args:
        label: The most probable label; a list of those that reach the threshold where a text may have several; `None`
            in a regression.
        scores: Probability of each label; in a regression the scores.
        num_tokens: Tokens read, the `[CLS]` at the start included.
        stopped_at: Character of the text at which the stop rule was met; `None` if it was not, or there is none.
        token_scores: On request, the scores after every token that this call read, `(tokens, num_labels)`.
        token_spans: On request, from which to which character of the text each of these tokens reaches.
    """

    label: str | list[str] | None
    scores: dict[str, float]
    num_tokens: int
    stopped_at: int | None = None
    token_scores: np.ndarray | None = None
    token_spans: list[tuple[int, int]] | None = None


def _check_stop_rule(rule: StopRule, config) -> None:
    if rule.label not in config.label2id:
        raise ValueError(f"There is no label {rule.label!r}; the model has {', '.join(map(repr, config.label2id))}.")
    if config.problem_type == "regression":
        raise ValueError("A regression has no probabilities to stop at.")
    if not 0 < rule.probability <= 1:
        raise ValueError(f"The probability must be above 0 and at most 1, got {rule.probability}.")
    if rule.for_tokens < 1:
        raise ValueError(f"The number of tokens must be at least 1, got {rule.for_tokens}.")
