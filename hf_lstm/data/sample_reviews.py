"""Generate the bundled corpus: short reviews whose label depends on word order and memory.

Every review is about one subject, which its first sentence names. One sentence (for some patterns two or three) decides
the label. Neutral sentences and distractors come before and after it. A distractor is an opinion about something else,
phrased in the same way. Positive and negative words are therefore about equally frequent in both classes.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from .review_grammar import (
    ADJECTIVES,
    DISTANCE_RANGES,
    DISTRACTOR_PATTERNS,
    LEAD_INS,
    NEUTRAL,
    NEUTRAL_SHARE,
    OPENINGS,
    OTHER_THINGS,
    SLOTS,
    SUBJECTS,
    TEMPLATES,
    VERBS,
)


def build_sample_reviews(
    seed: int = 0, num_train: int = 8000, num_validation: int = 1000, num_test: int = 2000
) -> DatasetDict:
    """Generate the bundled corpus of reviews whose label depends on word order and memory.

    The same seed and sizes give the same texts, and no text occurs twice. The validation split has the distribution of
    the train split. The test split does not: every deciding sentence has a template that is held out from training, and
    no pair of a subject and a polar word (adjective or verb) occurs in training. Each single word of the test split
    occurs in training.

    Args:
        seed: Seed of the `random.Random` that makes all choices.
        num_train: Reviews in train. The default is enough for an LSTM to learn the grammar in less than ten epochs.
        num_validation: Reviews in validation.
        num_test: Reviews in test. By default 200 of them, a tenth, are in the rarest range of distances.

    Returns:
        The splits `train`, `validation` and `test`, in random order, with these columns. `label` is `negative` or
        `positive`, balanced. `pattern` is the construction that decides the label: `negation`, `contrast`,
        `concession`, `other_opinion` or `distant`. `distance` is the number of words, separated by spaces, between the
        end of the deciding sentence and the end of the text. Patterns, labels and ranges of distance are combined
        evenly, so that the accuracies at different distances can be compared.
    """
    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=["negative", "positive"]),
            "pattern": Value("string"),
            "distance": Value("int32"),
        }
    )
    strata = [
        (pattern, distances)
        for *distances, twentieths in DISTANCE_RANGES
        for pattern in TEMPLATES
        for _ in range(twentieths)
    ]
    rng = random.Random(seed)
    seen: set[str] = set()
    splits = {}
    for split, size in (("train", num_train), ("validation", num_validation), ("test", num_test)):
        rng.shuffle(strata)
        rows: list[dict[str, Any]] = []
        while len(rows) < size:
            # One review per label from each stratum in turn.
            pattern, distances = strata[len(rows) // 2 % len(strata)]
            row = _write_review(rng, len(rows) % 2, pattern, distances, held_out=split == "test")
            if row["text"] not in seen:
                seen.add(row["text"])
                rows.append(row)
        rng.shuffle(rows)
        splits[split] = Dataset.from_list(rows, features=features)
    return DatasetDict(splits)


def _write_review(
    rng: random.Random, label: int, pattern: str, distances: Sequence[int], held_out: bool
) -> dict[str, Any]:
    """Return one row: an opening, sometimes a distraction, the deciding sentence, and a distraction of given length."""
    met, subject = rng.choice(SUBJECTS)
    vocabulary = _polar_words(subject, held_out)
    aside = rng.choice(NEUTRAL)
    used = {aside}

    def sentence(template: str, about: str, verdict: int) -> str:
        slots = {**SLOTS, **vocabulary[verdict], "met": [met], "s": [about], "neutral": [aside]}
        return _expand(rng, template, slots)

    def distraction(at_least: int, at_most: int) -> list[str]:
        sentences: list[str] = []
        num_words = 0
        for _ in range(100):  # a sentence that is too long or already used is drawn again
            if num_words >= at_least:
                break
            lead_in = ""
            if rng.random() < NEUTRAL_SHARE:
                template = rng.choice(NEUTRAL)
            else:
                template = rng.choice(TEMPLATES[rng.choice(DISTRACTOR_PATTERNS)][0])
                lead_in = rng.choice(LEAD_INS)
            if template in used or num_words + len(template.split()) > at_most:
                continue
            text = sentence(template, about=rng.choice(OTHER_THINGS), verdict=rng.randint(0, 1))
            if lead_in and not text.startswith("I "):
                text = text[0].lower() + text[1:]
            text = lead_in + text
            if num_words + len(text.split()) <= at_most:
                used.add(template)
                sentences.append(text)
                num_words += len(text.split())
        return sentences

    opening = sentence(rng.choice(OPENINGS), subject, label)
    before = distraction(rng.choice((0, 0, 0, 5)), 12)
    deciding = sentence(rng.choice(TEMPLATES[pattern][held_out]), subject, label)
    after = distraction(rng.randint(*distances), distances[-1])
    return {
        "text": " ".join([opening, *before, deciding, *after]),
        "label": label,
        "pattern": pattern,
        "distance": len(" ".join(after).split()),
    }


def _polar_words(subject: str, held_out: bool) -> list[dict[str, list[str]]]:
    """Return the polar words for a review of `subject`, as the slots of a negative and of a positive review."""
    row = [name for _, name in SUBJECTS].index(subject)

    def allowed(words: tuple[str, ...]) -> list[str]:
        # Subjects and words form a table of pairs. Every fourth diagonal of it is held out for the test split.
        return [word for column, word in enumerate(words) if ((row + column) % 4 == 0) == held_out]

    return [
        {
            "yes": allowed(ADJECTIVES[label]),
            "no": allowed(ADJECTIVES[1 - label]),
            "yes_verb": allowed(VERBS[label]),
            "no_verb": allowed(VERBS[1 - label]),
        }
        for label in (0, 1)
    ]


def _expand(rng: random.Random, template: str, slots: Mapping[str, Sequence[str]]) -> str:
    """Fill each `{slot}` with one of its words until no slot is left, then write `an` before vowels."""
    while "{" in template:
        template = re.sub(r"{(\w+)}", lambda slot: rng.choice(slots[slot[1]]), template)
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", template)
