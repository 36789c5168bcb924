"""Stop the generation of a language model of transformers, each row of a batch by itself."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from ..inference import StreamingClassifier
from .detokenizer import Detokenizer
from .text_guard import Escalate, Release, TextGuard, check_not_async, feed_many
from .verdict import Verdict


class GuardedRows:
    """
    The texts that a language model generates in the rows of a batch.

    Args:
        classifier, release, escalate: As in [`TextGuard`].
        tokenizer: Tokenizer of the language model.
        show: Called with the number of a row and its next text that may be shown.
    """

    def __init__(
        self,
        classifier: StreamingClassifier,
        tokenizer: PreTrainedTokenizerBase,
        release: Release,
        escalate: Escalate | None,
        show: Callable[[int, str], object] | None,
    ):
        check_not_async(escalate)
        self._new_guard = lambda: TextGuard(classifier, release, escalate)
        self._new_guard()  # raises an error before the generation starts
        self._tokenizer, self._show = tokenizer, show
        self._detokenizers: list[Detokenizer] = []
        self._guards: list[TextGuard] = []
        self.texts: list[str] = []
        self.length = 0

    @property
    def verdicts(self) -> list[Verdict | None]:
        """The verdict of each row, `None` while it is generated."""
        return [guard.verdict for guard in self._guards]

    @property
    def stopped(self) -> list[bool]:
        """Whether each row was stopped."""
        return [verdict is not None and verdict.stopped for verdict in self.verdicts]

    def add(self, ids: Sequence[Sequence[int]]) -> None:
        """Read the next tokens of each row, the same number for all. A row ends with its end-of-text token."""
        if not self._guards:
            self._guards = [self._new_guard() for _ in ids]
            self._detokenizers = [Detokenizer(self._tokenizer) for _ in ids]
            self.texts = [""] * len(ids)
        self.length += len(ids[0])
        pieces = {}
        for row, guard in enumerate(self._guards):
            if guard.verdict is None:
                tokens, ended = list(ids[row]), False
                if self._tokenizer.eos_token_id in tokens:
                    tokens, ended = tokens[: tokens.index(self._tokenizer.eos_token_id) + 1], True
                piece = self._detokenizers[row].put(tokens)
                pieces[row] = (piece + self._detokenizers[row].finish() if ended else piece, ended)
        self._feed(pieces)

    def finish(self) -> None:
        """Read the rest of the rows that have not ended."""
        rows = [row for row, guard in enumerate(self._guards) if guard.verdict is None]
        self._feed({row: (self._detokenizers[row].finish(), True) for row in rows})

    def _feed(self, pieces: dict[int, tuple[str, bool]]) -> None:
        """Read a piece of some rows; the second value is whether the text ends with it."""
        rows = [row for row, (piece, ended) in pieces.items() if piece or ended]
        if not rows:
            return
        guards = [self._guards[row] for row in rows]
        shown = feed_many(guards, [pieces[row][0] for row in rows], [pieces[row][1] for row in rows])
        for row, text in zip(rows, shown, strict=True):
            self.texts[row] += text
            if text and self._show is not None:
                self._show(row, text)


class RowsStoppingCriteria(StoppingCriteria):
    """
    Read the tokens that were generated in each row, and stop the rows that meet the stop rule.

    Args:
        rows: The guarded rows.
        prompt_length: Number of tokens before the first generated one.
    """

    def __init__(self, rows: GuardedRows, prompt_length: int):
        self.rows, self.prompt_length = rows, prompt_length
        self._seen: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Return for each row of `input_ids`, `(batch, seq)`, whether it was stopped: `(batch,)`, Boolean."""
        seen, self._seen = self._seen, input_ids
        if seen is not None and not torch.equal(seen, input_ids[: len(seen), : seen.shape[1]]):
            raise ValueError(
                "The rows are not those of the last step. Use a new object for each call of `generate`, and no beam "
                "search (num_beams=1), whose rows replace each other."
            )
        new = input_ids[:, self.prompt_length + self.rows.length :]  # (batch, new)
        if new.shape[1]:
            self.rows.add(new.tolist())
        return torch.tensor(self.rows.stopped or [False] * len(input_ids), device=input_ids.device)


class GuardStoppingCriteria(RowsStoppingCriteria):
    """
    Stop each row of a batch when its decoded text meets the stop rule.

        criteria = GuardStoppingCriteria(classifier, tokenizer, prompt_length=inputs.input_ids.shape[1])
        model.generate(**inputs, stopping_criteria=[criteria])
        print(criteria.finish())

    The prompt and special tokens are not read. It works with any tokenizer, and the verdict is that of the decoded
    text. Use an object for one call of `generate`. Beam search is refused, because its rows replace each other.

    Args:
        classifier, escalate: As in [`TextGuard`]; `escalate` must not be async.
        tokenizer: Tokenizer of the language model.
        prompt_length: Number of tokens before the first generated one, including padding; 1 for an encoder-decoder.

    Raises:
        ValueError: As in [`TextGuard`].
        TypeError: `escalate` is async.
    """

    def __init__(
        self,
        classifier: StreamingClassifier,
        tokenizer: PreTrainedTokenizerBase,
        prompt_length: int,
        escalate: Escalate | None = None,
    ):
        super().__init__(GuardedRows(classifier, tokenizer, "hold_back", escalate, None), prompt_length)

    @property
    def verdicts(self) -> list[Verdict | None]:
        """The verdict of each row that has ended, `None` before."""
        return self.rows.verdicts

    def finish(self) -> list[Verdict | None]:
        """Read the words at the end of the rows that reached the maximum length, and return all verdicts."""
        self.rows.finish()
        return self.rows.verdicts


class GuardStreamer(BaseStreamer):
    """
    Show the text of each row of a batch while it is generated, and stop it when it meets the stop rule.

        streamer = GuardStreamer(classifier, tokenizer, show=lambda row, text: print(text, end=""))
        model.generate(**inputs, streamer=streamer, stopping_criteria=streamer.stopping_criteria)
        print(streamer.verdicts)

    A streamer cannot end a generation. Without `stopping_criteria`, nothing is shown after a stop, but the model goes
    on to generate. Use an object for one call of `generate`.

    Args:
        classifier, release, escalate: As in [`TextGuard`]; `escalate` must not be async.
        tokenizer: Tokenizer of the language model.
        show: Called with the number of a row and its next text that may be shown.

    Raises:
        ValueError: As in [`TextGuard`].
        TypeError: `escalate` is async.
    """

    def __init__(
        self,
        classifier: StreamingClassifier,
        tokenizer: PreTrainedTokenizerBase,
        show: Callable[[int, str], object] | None = None,
        release: Release = "hold_back",
        escalate: Escalate | None = None,
    ):
        self._rows = GuardedRows(classifier, tokenizer, release, escalate, show)
        self._criteria = RowsStoppingCriteria(self._rows, prompt_length=0)
        self._has_prompt = self._has_ended = False
        self._length = 0  # tokens of each row after the prompt that were put
        self.stopping_criteria = StoppingCriteriaList([self._criteria])

    def put(self, value: torch.Tensor) -> None:
        """
        Take the prompt, `(batch, seq)`, or the next tokens: `(batch,)`, or `(1, tokens)` for a single row.

        Raises:
            ValueError: The text of an earlier call of `generate` has ended.
        """
        if self._has_ended:
            raise ValueError("Use a new object for each call of `generate`.")
        if not self._has_prompt:
            self._has_prompt, self._criteria.prompt_length = True, value.shape[-1]
            return
        ids = value if value.ndim > 1 else value[:, None]  # (batch, tokens)
        self._length += ids.shape[1]
        # The stopping criteria may have read them; which one is called first depends on the version of transformers.
        if (new := self._length - self._rows.length) > 0:
            self._rows.add(ids[:, -new:].tolist())

    def end(self) -> None:
        """Read the words at the end of the rows."""
        self._has_ended = True
        self._rows.finish()

    @property
    def texts(self) -> list[str]:
        """The text of each row that was shown."""
        return self._rows.texts

    @property
    def verdicts(self) -> list[Verdict | None]:
        """The verdict of each row, `None` before its end."""
        return self._rows.verdicts
