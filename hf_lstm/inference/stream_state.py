"""State of a stream: what has been read so far, and how it is stored."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from transformers import PreTrainedConfig

from ..messages import one_line
from ..models import LstmConfig

# First line of a stored state. The number changes with the format.
FORMAT = b"hf_lstm state 2"


@dataclass(frozen=True)
class StopRule:
    """Condition for stopping: `label` has at least this `probability` after each of `for_tokens` consecutive tokens."""

    label: str
    probability: float
    for_tokens: int


@dataclass(frozen=True)
class StreamState:
    """
    What a [`StreamingClassifier`] stores about the text so far. Its size does not grow with the text.

    Args:
        fingerprint: Digest of the model, tokenizer and stop rule that the state belongs to.
        memory: The state tensors of the cell, `(num_layers, hidden_size)` each, and those of the pooling, by name. They
            are on the CPU, even if the model is not, so that a state can be moved between machines.
        num_tokens: Number of tokens read, including the `[CLS]` at the start.
        undecoded: First bytes of a character whose other bytes have not arrived.
        held: Text that has arrived but is not read yet, because its tokens depend on what follows.
        position: Number of characters read; `held` starts here.
        streak: Number of consecutive tokens, up to now, after which the label of the stop rule was probable enough.
        stopped_at: Character at which the stop rule was met; `None` until then.
    """

    fingerprint: str
    memory: dict[str, torch.Tensor]
    num_tokens: int = 0
    undecoded: bytes = b""
    held: str = ""
    position: int = 0
    streak: int = 0
    stopped_at: int | None = None

    def to_bytes(self) -> bytes:
        """
        Serialize the state.

        Returns:
            Lines with the version of the format, a digest (which detects damage, but is not a signature) and a JSON
            header, followed by the tensors in the safetensors format.
        """
        header = {
            "fingerprint": self.fingerprint,
            "num_tokens": self.num_tokens,
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
        Load a state that [`StreamState.to_bytes`] has serialized. No code in it is executed.

        Args:
            data: The bytes.

        Returns:
            The state. Feeding it checks that it belongs to the model.

        Raises:
            ValueError: The bytes are not a state, or a damaged one, or one of another version of the format.
        """
        version, _, rest = data.partition(b"\n")
        if version != FORMAT:
            raise ValueError(
                "These bytes are not a stream state, or they were written by another version of hf_lstm: start a new "
                "stream."
            )
        digest, _, payload = rest.partition(b"\n")
        if hashlib.sha256(payload).hexdigest().encode() != digest:
            raise ValueError("The stream state is damaged: bytes are missing or were changed.")
        header, _, tensors = payload.partition(b"\n")
        try:
            fields = json.loads(header)
            return cls(memory=load(tensors), **fields | {"undecoded": bytes.fromhex(fields["undecoded"])})
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ValueError(f"The stream state has invalid contents ({one_line(error)}).") from None


@dataclass(frozen=True)
class StreamResult:
    """
    Prediction for the text so far.

    Args:
        label: The most probable label, or `None` if it is below its threshold; for a multi-label problem, the list of
            the labels that reach the threshold; `None` in a regression.
        scores: Probability of each label; in a regression, the scores.
        num_tokens: Number of tokens read, including the `[CLS]` at the start.
        stopped_at: Character of the text at which the stop rule was met; `None` if it was not met or there is no rule.
        token_scores: On request, the scores after every token that this call has read, `(tokens, num_labels)`.
        token_spans: On request, start and end of each of these tokens in the text, in characters.
    """

    label: str | list[str] | None
    scores: dict[str, float]
    num_tokens: int
    stopped_at: int | None = None
    token_scores: np.ndarray | None = None
    token_spans: list[tuple[int, int]] | None = None


def check_stop_rule(rule: StopRule, config: PreTrainedConfig) -> None:
    """Raise a `ValueError` if a model with this config cannot follow the rule."""
    if config.problem_type == "regression":
        raise ValueError("A stop rule needs probabilities, which a regression does not have.")
    labels = config.label2id or {}
    if rule.label not in labels:
        raise ValueError(f"There is no label {rule.label!r}; the model has {', '.join(map(repr, labels))}.")
    if not 0 < rule.probability <= 1:
        raise ValueError(f"The probability of a stop rule must be above 0 and at most 1, got {rule.probability}.")
    if rule.for_tokens < 1 or rule.for_tokens % 1:
        raise ValueError(
            f"The number of tokens of a stop rule must be a whole number of at least 1, got {rule.for_tokens}."
        )


def stored_stop_rule(config: LstmConfig) -> StopRule | None:
    """Return the stop rule that training has fitted and stored in the config of a model, or `None` without one."""
    return None if config.stop_rule is None else StopRule(**config.stop_rule)  # type: ignore[arg-type]  # checked there
