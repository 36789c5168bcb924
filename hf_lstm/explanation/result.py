"""The explanation of a prediction."""

import json
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Literal

from scipy.special import expit

from .rendering import STYLE, colour_words, draw_scores, mark_words
from .words import Word

# Words that the one-line summary names.
SUMMARY_WORDS = 5


@dataclass(frozen=True)
class Explanation:
    """
    How the words of a text lead to the score of a label: `score = base + sum of the contributions`.

    In a notebook, it is shown with coloured words, see [`Explanation.to_html`].

    Args:
        text: The text as the model reads it: control characters are replaced by spaces and lone surrogates by U+FFFD,
            each by one character; two surrogates that form one character are joined.
        label: The label that is explained.
        words: The words in order, with their contributions. The white space between them belongs to no word.
        base: Score of the empty text.
        score: Score of the text.
        unit: `"log-odds"`, whose sigmoid is the probability of the label, or `"output"` of a regression.
    """

    text: str
    label: str
    words: tuple[Word, ...]
    base: float
    score: float
    unit: Literal["log-odds", "output"]

    def shown(self, score: float) -> float:
        """Return the probability that belongs to a score, or for a regression the score itself."""
        return float(expit(score)) if self.unit == "log-odds" else score

    def to_dict(self) -> dict[str, Any]:
        """Return all values as they are written to JSON files, and the `probability` of a classification."""
        values = asdict(self)
        return values if self.unit == "output" else values | {"probability": self.shown(self.score)}

    def to_json(self) -> str:
        """Return [`Explanation.to_dict`] as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def summary(self) -> str:
        """Return one line with the label, its probability and the words with the largest contributions."""
        largest = sorted(self.words, key=lambda word: -abs(word.contribution))[:SUMMARY_WORDS]
        words = ", ".join(f"{word.text} {word.contribution:+.2f}" for word in largest) or "no words"
        return f"{self.label} {self.shown(self.score):.4f} (empty text {self.shown(self.base):.4f}): {words}"

    def to_terminal(self, colours: bool) -> str:
        """
        Return the summary and, on a terminal with colours, the text with coloured words below it.

        Args:
            colours: Colour the words that raise the score blue and those that lower it orange.
        """
        return f"{self.summary()}\n{colour_words(self.text, self.words)}" if colours else self.summary()

    def to_figure(self) -> str:
        """Return the `<figure>` of [`Explanation.to_html`] without its style sheet."""
        return (
            f'<figure class="hf-lstm-explanation">{self._caption()}<p>{mark_words(self.text, self.words)}</p>'
            f"{self._chart()}</figure>"
        )

    def to_html(self) -> str:
        """
        Return the explanation as HTML that needs no other file.

        Words that raise the score are blue and underlined, words that lower it are orange with a dashed line. The
        numbers appear when the pointer is on a word. If the model reads forward, a chart shows the score after each
        word.
        """
        return f"<style>{STYLE}</style>{self.to_figure()}"

    _repr_html_ = to_html

    def _caption(self) -> str:
        label, change = escape(self.label), self.score - self.base
        shown = f"{self.shown(self.score):.4f}"
        if self.unit == "log-odds":
            shown += f" (log-odds {self.score:+.2f})"
        return (
            f"<figcaption><strong>{label}</strong> {shown} = empty text {self.base:+.2f}, words {change:+.2f}. "
            f'A word <span class="for">raises</span> or <span class="against">lowers</span> the score.</figcaption>'
        )

    def _chart(self) -> str:
        if not self.words or self.words[0].score_after is None:
            return ""
        scores = [self.shown(score) for word in self.words if (score := word.score_after) is not None]
        limits = (0.0, 1.0) if self.unit == "log-odds" else None
        what = f"Probability of {self.label}" if self.unit == "log-odds" else self.label
        return draw_scores(self.words, [self.shown(self.base), *scores], f"{what} after each word", limits)
