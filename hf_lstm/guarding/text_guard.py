"""Guard one text: read it while it arrives, release what may be shown, and stop it when a rule is met."""

import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

from ..inference import StopRule, StreamingClassifier, StreamState, stored_stop_rule
from ..text import join_surrogates
from .scheduler import Read, StreamScheduler, read_many
from .verdict import Verdict

Release = Literal["hold_back", "immediate"]
Escalate = Callable[[str, Verdict], bool | Awaitable[bool]]

# Characters before an alarm that are given to `escalate`. They are kept, so they must not grow with the text.
CONTEXT = 8_192

NEEDS_ASYNC = "An async `escalate` needs an async stream, or `feed_async` and `finish_async`."

# First line of a stored state. The number changes with the format.
FORMAT = b"hf_lstm guard 1"


def check_not_async(escalate: Escalate | None) -> None:
    """Raise a `TypeError` before the first alarm if `escalate` is a coroutine function, which cannot be awaited."""
    if inspect.iscoroutinefunction(escalate):
        raise TypeError(NEEDS_ASYNC)


class Escalation(NamedTuple):
    """An alarm to confirm: the text up to it (at most `CONTEXT` characters), and the verdict."""

    text: str
    verdict: Verdict


Steps = Generator[Read | Escalation, Any, str]


@dataclass(frozen=True)
class GuardState:
    """
    What a [`TextGuard`] stores about its text. It can be sent to another process.

    Args:
        rule: The stop rule.
        stream: State of the classifier.
        held: Text that has arrived and is not released.
        streak: Number of consecutive tokens, up to now, after which the label was probable enough.
        streak_start: First character of these tokens.
        context: Last characters that were released, if alarms are escalated.
        verdict: The verdict at the stop or the end of the text; `None` before.
    """

    rule: StopRule
    stream: StreamState
    held: str = ""
    streak: int = 0
    streak_start: int = 0
    context: str = ""
    verdict: Verdict | None = None

    def to_bytes(self) -> bytes:
        """Serialize the state; see [`StreamState.to_bytes`]."""
        fields = {name: value for name, value in self.__dict__.items() if name not in ("rule", "stream", "verdict")}
        fields |= {"rule": asdict(self.rule), "verdict": self.verdict and asdict(self.verdict)}
        payload = json.dumps(fields).encode() + b"\n" + self.stream.to_bytes()
        return b"\n".join([FORMAT, hashlib.sha256(payload).hexdigest().encode(), payload])

    @classmethod
    def from_bytes(cls, data: bytes) -> "GuardState":
        """
        Load a state that [`GuardState.to_bytes`] has serialized. No code in it is executed.

        Raises:
            ValueError: The bytes are not a state, or a damaged one, or one of another version of the format.
        """
        version, _, rest = data.partition(b"\n")
        digest, _, payload = rest.partition(b"\n")
        if version != FORMAT or hashlib.sha256(payload).hexdigest().encode() != digest:
            raise ValueError("These bytes are not the state of a guard, are damaged, or are of another version.")
        header, _, stream = payload.partition(b"\n")
        fields = json.loads(header)
        verdict = fields["verdict"] and Verdict(**fields["verdict"])
        nested = {"rule": StopRule(**fields["rule"]), "verdict": verdict}
        return cls(stream=StreamState.from_bytes(stream), **fields | nested)


class TextGuard:
    """
    Read one text while it arrives, and stop it when the stop rule is met.

    Text before an alarm is released, and the tokens that met the rule are not. Where a text is stopped does not depend
    on its pieces. With `release="hold_back"`, the released text does not depend on them either.

    Args:
        classifier: The classifier. Its stop rule is used, or else the one that training has stored in the model.
        release: `"hold_back"` releases only words that the rule has seen, and holds the words of a streak of probable
            tokens until it ends, which may take `for_tokens` tokens. A partial last word is held. `"immediate"`
            releases all that has arrived, so that up to a word and a streak are shown before a stop.
        escalate: Function of a larger model. It is called once for each alarm, with the text up to the alarm (at most
            its last `CONTEXT` characters) and the verdict, and returns whether to stop. If not, the count of
            consecutive tokens restarts at 0, so that there is at most one call for every `for_tokens` tokens.
        scheduler: Scheduler that reads the text together with others.
        state: State of another guard, to continue its text.

    Raises:
        ValueError: There is no stop rule, an argument is invalid, or the state belongs to another rule.
    """

    def __init__(
        self,
        classifier: StreamingClassifier,
        release: Release = "hold_back",
        escalate: Escalate | None = None,
        scheduler: StreamScheduler | None = None,
        state: GuardState | None = None,
    ):
        if release not in get_args(Release):
            raise ValueError(f"Unknown release {release!r}; choose one of: {', '.join(get_args(Release))}.")
        if scheduler is not None and scheduler.classifier is not classifier:
            raise ValueError("The scheduler has another classifier; give `scheduler.classifier`.")
        rule = classifier.stop_rule or stored_stop_rule(classifier.model.config)
        if rule is None:
            raise ValueError(
                "The model has no stop rule. Train it with --stop_false_alarms 0.01, or give a rule, for instance "
                f"classifier.stop_when({classifier.labels[0]!r}, 0.9, for_tokens=3)."
            )
        if state is not None and state.rule != rule:
            raise ValueError(f"The state of the guard belongs to another stop rule: {state.rule}, not {rule}.")
        self.classifier, self.rule, self.release, self.escalate = classifier, rule, release, escalate
        self.scheduler = scheduler
        self.state = state or GuardState(rule, classifier.start())
        self._column = classifier.labels.index(rule.label)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict at the stop or the end of the text; `None` before."""
        return self.state.verdict

    def feed(self, piece: str) -> str:
        """
        Read the next piece of the text.

        Args:
            piece: The piece, cut anywhere. It is ignored after a stop.

        Returns:
            Text that may be shown now.

        Raises:
            TypeError: The piece is not a string.
        """
        return self._run(self.steps(piece))

    def finish(self) -> str:
        """Read what is held as the end of the text, and return what else may be shown. There is a verdict after it."""
        return self._run(self.steps("", at_end=True))

    async def feed_async(self, piece: str) -> str:
        """Do the same as [`TextGuard.feed`] without blocking the event loop for the scheduler or `escalate`."""
        return await self._run_async(self.steps(piece))

    async def finish_async(self) -> str:
        """Do the same as [`TextGuard.finish`] without blocking the event loop for the scheduler or `escalate`."""
        return await self._run_async(self.steps("", at_end=True))

    def steps(self, piece: str, at_end: bool = False) -> Steps:
        """
        Read a piece in steps, of which the caller does the work.

        Yields:
            What is to be read, or an alarm to confirm. The caller sends the outcome of the classifier, or whether to
            stop. If it ends the generator instead, the guard remains as it was.

        Returns:
            Text that may be shown.
        """
        if not isinstance(piece, str):
            raise TypeError(f"Expected a string as the next piece of the text, got {type(piece).__name__}.")
        if self.verdict is not None:
            return ""
        before = self.state
        result, stream = yield Read(before.stream, piece, at_end)
        # The first half of a surrogate pair waits for the second.
        held, half = before.held + piece, ""
        if not at_end and "\ud800" <= held[-1:] <= "\udbff":
            held, half = held[:-1], held[-1]
        held = join_surrogates(held) + half
        arrived = stream.position + len(stream.held)
        assert result.token_scores is not None and result.token_spans is not None
        scores = result.token_scores[:, self._column]  # (tokens,)
        streak, start, verdict = before.streak, before.streak_start, None
        for i, reached in enumerate((scores >= self.rule.probability).tolist()):
            first, end = result.token_spans[i]
            streak, start = (streak + 1, start if streak else first) if reached else (0, end)
            if streak < self.rule.for_tokens:
                continue
            alarm = Verdict(self.rule.label, float(scores[i]), end, before.stream.num_tokens + i + 1, start)
            text = (before.context + held)[: len(before.context) + len(held) - (arrived - end)]
            if self.escalate is None or (yield Escalation(text[-CONTEXT:], alarm)):
                verdict = alarm
                break
            streak = 0
        if verdict is not None:
            limit = start
        elif at_end:
            limit = arrived
            verdict = Verdict(self.rule.label, result.scores[self.rule.label], arrived, result.num_tokens)
        elif self.release == "immediate":
            limit = arrived - len(half)
        else:
            limit = start if streak else stream.position
        length = max(0, limit - (arrived - len(held)))
        shown = held[:length]
        context = (before.context + shown)[-CONTEXT:] if self.escalate else ""
        self.state = GuardState(self.rule, stream, held[length:], streak, start, context, verdict)
        return shown

    def _run(self, steps: Steps, answer: Any = None) -> str:
        while True:
            try:
                request = steps.send(answer)
            except StopIteration as done:
                return done.value
            answer = self._answer(request)  # not in the `try`, because `escalate` may raise a StopIteration

    def _answer(self, request: Read | Escalation) -> Any:
        if isinstance(request, Read):
            return self.scheduler.read(request) if self.scheduler else read_many(self.classifier, [request])[0]
        answer = self.escalate(*request) if self.escalate else True
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise TypeError(NEEDS_ASYNC)
        return answer

    async def _run_async(self, steps: Steps) -> str:
        answer: Any = None
        while True:
            try:
                request = steps.send(answer)
            except StopIteration as done:
                return done.value
            if isinstance(request, Read) and self.scheduler:
                answer = await self.scheduler.read_async(request)
            elif isinstance(request, Escalation) and self.escalate:
                answer = self.escalate(*request)
                answer = await answer if inspect.isawaitable(answer) else answer
            else:
                answer = self._answer(request)


def feed_many(guards: Sequence[TextGuard], pieces: Sequence[str], ended: Sequence[bool]) -> list[str]:
    """
    Read the next pieces of several texts in one batch.

    Args:
        guards: Guards without a verdict, with the same classifier.
        pieces: One piece per guard.
        ended: Whether each text ends with its piece.

    Returns:
        The text of each guard that may be shown, as from [`TextGuard.feed`].
    """
    steps = [guard.steps(piece, at_end) for guard, piece, at_end in zip(guards, pieces, ended, strict=True)]
    requests = [next(step) for step in steps]
    outcomes = read_many(guards[0].classifier, [request for request in requests if isinstance(request, Read)])
    return [guard._run(step, outcome) for guard, step, outcome in zip(guards, steps, outcomes, strict=True)]
