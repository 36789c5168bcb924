"""Contributions of the tokens of a text to a score, by integrated gradients on the embeddings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from ..data import pad_batch
from ..models import LstmForSequenceClassification

# Points of the path at which gradients are computed. With 16, the integrals miss 0.02 (log-odds) of the score of a
# review of 250 words on average, and 0.003 of that of a sentence.
POINTS = 16

# Padded tokens in a batch with gradients, which take about 6 kB each at the default sizes.
GRADIENT_TOKENS = 8_192


@dataclass(frozen=True)
class ScoredText:
    """
    A text whose score is explained.

    Args:
        ids: Its token ids.
        special: For each token, whether the tokenizer added it.
        label: Index of the label whose score is explained.
        score: Score of the text.
        base: Score of the empty text.
    """

    ids: list[int]
    special: list[int]
    label: int
    score: float
    base: float


def label_scores(logits: torch.Tensor, labels: torch.Tensor, problem_type: str | None) -> torch.Tensor:
    """
    Return the score of one label per row.

    The score is the log-odds of the label, of which its probability is the sigmoid, so that the same change of the
    score means the same for every kind of classifier. The logit of a single-label model is defined only up to a
    constant: adding a number to all logits does not change a probability.

    Args:
        logits: `(rows, num_labels)`.
        labels: `(rows,)`, index of the label of each row.
        problem_type: As in the config. The log-odds of a multi-label model are its logits; the score of a regression is
            its output.

    Returns:
        `(rows,)`.
    """
    columns = labels[:, None]
    scores = logits.gather(1, columns).squeeze(1)
    if problem_type == "single_label_classification":
        scores = scores - logits.scatter(1, columns, -torch.inf).logsumexp(1)
    return scores


def token_contributions(model: LstmForSequenceClassification, texts: Sequence[ScoredText]) -> list[np.ndarray]:
    """
    Return the contribution of each token, which sum to the difference between the score and that of the empty text.

    The path from the empty text to the text has two parts. First, tokens whose embedding is zero are added. They are
    all the same, so each contributes an equal share of the change (their Shapley value). Then all embeddings grow from
    zero to their values, and the change is divided among the tokens by integrated gradients (Sundararajan et al., 2017,
    https://huggingface.co/papers/1703.01365). What the numerical integration misses is divided in
    proportion to the size of the contributions.

    Args:
        model: A classifier in evaluation mode.
        texts: The texts, of any length.

    Returns:
        An array per text with one number per token, 0 for the special tokens.
    """
    results = []
    for text, (contributions, blank) in zip(texts, integrate(texts, model, POINTS), strict=True):
        words = np.array(text.special) == 0  # (tokens,)
        equal = words / max(words.sum(), 1)
        size = np.abs(contributions).sum()
        proportional = np.abs(contributions) / size if size > 0 else equal
        missed = text.score - blank - contributions.sum()
        results.append(contributions + (blank - text.base) * equal + missed * proportional)
    return results


def integrate(
    texts: Sequence[ScoredText], model: LstmForSequenceClassification, points: int
) -> list[tuple[np.ndarray, float]]:
    """
    Integrate the gradients of each score while the embeddings of the words grow from zero to their values.

    Args:
        texts: The texts.
        model: The classifier.
        points: Number of points of the Gauss-Legendre quadrature.

    Returns:
        For each text the integrals, one per token, and the score where all embeddings of words are zero.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    # The first point is the start of the path; its gradient does not count.
    path = list(zip([0.0, *(nodes + 1) / 2], [0.0, *weights / 2], strict=True))
    integrals, starts = [np.zeros(len(text.ids)) for text in texts], np.zeros(len(texts))
    for batch in batches(texts, len(path)):
        rows = [texts[row] for row, _ in batch]
        scores, gradients = score_gradients(model, rows, [path[point][0] for _, point in batch])
        for (row, point), score, gradient in zip(batch, scores, gradients, strict=True):
            integrals[row] += path[point][1] * gradient[: len(texts[row].ids)]
            if point == 0:
                starts[row] = score
    return list(zip(integrals, starts.tolist(), strict=True))


def batches(texts: Sequence[ScoredText], points: int) -> Iterator[list[tuple[int, int]]]:
    """Yield every pair of a text and a point, in batches of texts of similar length of at most `GRADIENT_TOKENS`."""
    batch: list[tuple[int, int]] = []
    for row in sorted(range(len(texts)), key=lambda row: len(texts[row].ids)):
        for point in range(points):
            if batch and (len(batch) + 1) * len(texts[row].ids) > GRADIENT_TOKENS:
                yield batch
                batch = []
            batch.append((row, point))
    if batch:
        yield batch


def score_gradients(
    model: LstmForSequenceClassification, texts: Sequence[ScoredText], scales: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """
    Multiply the embeddings of the words of each text by a number, and differentiate the score by that of each word.

    Args:
        model: The classifier.
        texts: The texts of a batch.
        scales: The number for each text.

    Returns:
        The scores, `(batch,)`, and the derivatives, `(batch, seq)`, which are 0 for special tokens.
    """
    device, config = model.device, model.config
    # The recurrent kernel of cuDNN has no gradients in evaluation mode, that of torch has.
    with torch.inference_mode(False), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        batch = pad_batch([text.ids for text in texts], config.pad_token_id or 0)
        inputs = {name: tensor.to(device) for name, tensor in batch.items()}
        special = pad_sequence([torch.tensor(text.special) for text in texts], batch_first=True).to(device)
        labels = torch.tensor([text.label for text in texts], device=device)
        embedded = model.get_input_embeddings()(inputs["input_ids"]).detach()  # (batch, seq, embedding_size)
        factors = torch.tensor(scales, dtype=embedded.dtype, device=device)[:, None].repeat(1, special.shape[1])
        factors.requires_grad_()  # (batch, seq)
        scaled = embedded * factors.masked_fill(special == 1, 1)[..., None]
        logits = model(inputs_embeds=scaled, attention_mask=inputs["attention_mask"]).logits.float()
        scores = label_scores(logits, labels, config.problem_type)
        (gradients,) = torch.autograd.grad(scores.sum(), factors)
    return scores.detach().cpu().double().numpy(), gradients.cpu().double().numpy()
