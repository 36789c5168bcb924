"""Scores after every token of many texts, as a stream gives them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..inference import StreamingClassifier
from ..messages import progress_bar

# Texts that are read together. More take more memory and are not faster on a CPU.
BATCH_TEXTS = 32

# Shares of the tokens of a text after which its scores are kept.
SHARES = tuple(tenth / 10 for tenth in range(1, 11))


class TokenScores(NamedTuple):
    """
    Scores while texts are read. The largest part is one number for each token, less than the token ids take.

    Args:
        at_shares: Scores after each of [`SHARES`] of the tokens, `(texts, shares, num_labels)`. The last ones are those
            of the whole text.
        watched: For each text the probability of one label after each token, `(tokens,)`.
    """

    at_shares: np.ndarray
    watched: list[np.ndarray]

    @property
    def final(self) -> np.ndarray:
        """Scores of the whole texts, `(texts, num_labels)`."""
        return self.at_shares[:, -1]


def read_token_scores(
    stream: StreamingClassifier, texts: Sequence[str], label: str, show_progress: bool = False
) -> TokenScores:
    """
    Compute the scores after every token, in batches of texts of similar length.

    Args:
        stream: The classifier. The scores are exactly those that it gives for a stream.
        texts: The texts, which are not truncated.
        label: Label whose probability is kept after every token.
        show_progress: Show a progress bar on a terminal or in a notebook.
    """
    column = stream.labels.index(label)
    at_shares = np.zeros((len(texts), len(SHARES), len(stream.labels)), dtype=np.float32)
    watched: list[np.ndarray] = [np.zeros(0, dtype=np.float32)] * len(texts)
    with progress_bar(show_progress, total=len(texts), unit="text", leave=False) as progress:
        for row, scores, final in _scores_by_text(stream, texts):
            watched[row] = scores[:, column].copy()  # a view would keep the scores of all labels
            rows = np.ceil(np.array(SHARES) * len(scores)).astype(int) - 1
            at_shares[row] = scores[rows] if len(scores) else final
            progress.update()
    return TokenScores(at_shares, watched)


def _scores_by_text(stream: StreamingClassifier, texts: Sequence[str]) -> Iterator[tuple[int, np.ndarray, list[float]]]:
    """Yield the number of each text, its scores after every token `(tokens, num_labels)`, and those of the whole."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(order), BATCH_TEXTS):
        rows = order[start : start + BATCH_TEXTS].tolist()
        fed = stream.feed_many([stream.start()] * len(rows), [texts[row] for row in rows], each_token=True)
        ended = stream.finish_many([state for _, state in fed], each_token=True)
        for row, (first, _), last in zip(rows, fed, ended, strict=True):
            parts = [part.token_scores for part in (first, last) if part.token_scores is not None]
            yield row, np.concatenate(parts), list(last.scores.values())
