"""The verdict on a text that was read while it arrived."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """
    Whether a stop rule was met, and where. It does not depend on the pieces in which the text arrived.

    Args:
        label: Label of the stop rule.
        probability: Its probability after the token at which the rule was met, or else after the whole text.
        position: Characters of the text up to the end of that token, or else of the whole text.
        num_tokens: Tokens up to there, including the `[CLS]` at the start.
        start: First character of the consecutive tokens that met the rule; `None` if the rule was not met.
    """

    label: str
    probability: float
    position: int
    num_tokens: int
    start: int | None = None

    @property
    def stopped(self) -> bool:
        """Whether the rule was met, so that the text was stopped."""
        return self.start is not None


class StoppedByGuard(RuntimeError):
    """
    Raised at the stop of a guarded stream on request.

    Args:
        verdict: The verdict, also an attribute of the error.
    """

    def __init__(self, verdict: Verdict):
        super().__init__(
            f"The text was stopped at character {verdict.position:,}: {verdict.label} has a probability of "
            f"{verdict.probability:.4f}."
        )
        self.verdict = verdict
