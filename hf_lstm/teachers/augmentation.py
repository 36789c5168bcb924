"""
Make more texts out of the training texts, for teachers to label.

Texts without spaces between words cannot be changed.
"""

from collections.abc import Sequence

import numpy as np

# Probabilities of Tang et al. (2019): that a word is masked, and that a new text is only an n-gram of the original one.
MASK_RATE = 0.1
NGRAM_RATE = 0.25
MAX_NGRAM_WORDS = 5


def augment_texts(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """
    Make new texts by leaving out words and by sampling n-grams.

    A teacher that was trained on the same texts predicts their labels with certainty, so its soft labels add little.
    It has not seen changed texts. The method is that of Tang et al. (2019, https://arxiv.org/abs/1903.12136) without
    their replacement of words by others with the same part of speech, which needs a tagger. They replace a masked word
    by the token [MASK]. Here it is left out: the tokenizer of the student has no such token, and teachers have
    different ones or none.

    Args:
        texts: Texts whose words are separated by spaces. Others count as one word and cannot be changed.
        count: New texts for each text. Duplicates are removed, so that short texts give fewer.
        seed: Seed of the random numbers.

    Returns:
        The new texts, without duplicates and without those that are in `texts`, in the order of `texts`.
    """
    rng = np.random.default_rng(seed)
    # Compare words, because a new text has single spaces.
    known = {" ".join(text.split()) for text in texts}
    new: dict[str, None] = {}
    for text in texts:
        words = text.split()
        for _ in range(count if words else 0):
            start, end = 0, len(words)
            if rng.random() < NGRAM_RATE:
                length = min(int(rng.integers(1, MAX_NGRAM_WORDS + 1)), len(words))
                start = int(rng.integers(len(words) - length + 1))
                end = start + length
            is_kept = rng.random(end - start) >= MASK_RATE  # (words of the new text,)
            changed = " ".join(word for word, kept in zip(words[start:end], is_kept, strict=True) if kept)
            if changed and changed not in known:
                new[changed] = None
    return list(new)
