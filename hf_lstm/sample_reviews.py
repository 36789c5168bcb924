"""The bundled corpus: short reviews, generated from a small grammar, whose verdict depends on order and memory.

Every review is about one thing, named in its first sentences. One sentence (for some patterns two or three) decides the
verdict; before and after it stand neutral sentences and *distractors*: verdicts, phrased in the same way, on something
else that day. The words of praise and blame are therefore about equally frequent in both classes.
"""

import random
import re
from collections.abc import Sequence
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

# How the reviewer met the thing under review, and what it can be.
SUBJECTS = tuple(
    (met, subject)
    for met, subjects in {
        "We saw": ("film", "thriller", "comedy", "documentary", "musical", "opera"),
        "We ate at": ("restaurant", "bistro", "pizzeria", "tavern", "bakery", "diner"),
        "I read": ("novel", "memoir", "biography", "anthology", "guidebook", "trilogy"),
        "We bought": ("camera", "laptop", "kettle", "printer", "keyboard", "bicycle"),
    }.items()
    for subject in subjects
)
# Negative words first, positive words second: the index is the label.
ADJECTIVES = (
    (
        *("dreadful", "awful", "terrible", "dismal", "wretched", "hopeless", "miserable", "abysmal"),
        *("disappointing", "irritating", "lousy", "shoddy"),
    ),
    (
        *("superb", "wonderful", "excellent", "delightful", "splendid", "brilliant", "marvellous", "fantastic"),
        *("impressive", "lovely", "charming", "great"),
    ),
)
VERBS = (
    ("hated", "loathed", "disliked", "detested", "despised", "resented", "abhorred", "regretted"),
    ("loved", "adored", "enjoyed", "admired", "liked", "relished", "cherished", "treasured"),
)
# What is not under review: nothing said of these counts.
OTHER_THINGS = (
    *("bus ride", "concert", "museum", "market", "quiz night", "taxi ride", "picnic", "cooking class"),
    *("street fair", "boat trip", "card game", "sandwich", "puppet show", "swimming pool", "zoo", "train ride"),
)
PEOPLE = (
    *("brother", "sister", "neighbour", "boss", "cousin", "aunt", "uncle", "colleague"),
    *("flatmate", "mother", "father", "teacher"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "March", "April", "June", "September", "November")

OPENINGS = (
    "{met} the {s} on {day}.",
    "{met} the {s} with my {p}.",
    "{met} the {s} last week.",
    "{met} the {s} in {month}.",
    "At last: the {s}.",
)
NEUTRAL = (
    "It rained all afternoon.",
    "We paid in cash.",
    "The street was full of bicycles.",
    "My {p} looked after the dog.",
    "We left the house at nine.",
    "The clock had just struck ten.",
    "My {p} wore a green coat.",
    "On {day} the shops close early.",
    "My {p} moved to the coast in {month}.",
    "We took the tram and then walked for ten minutes.",
    "There were about forty people in the street.",
    "My {p} was on the telephone.",
    "I wrote this at the kitchen table on {day}.",
    "In {month} the trees along the river are bare.",
    "Somebody had parked a blue van in front of the door.",
    "My {p} turned forty in {month}.",
    "The receipt is still in my wallet.",
    "I made notes on the back of an envelope.",
    "That is all.",
    "Enough said.",
    "More next week.",
    "We got home at ten.",
    "Thanks for reading.",
)

# {yes} and {yes_verb} agree with the verdict, {no} and {no_verb} contradict it, so every template serves both labels.
# Of each pair of tuples the first is for training and validation, the second is held out for the test split.
TEMPLATES = {
    "negation": (
        (
            "The {s} was not {no} at all.",
            "The {s} was anything but {no}.",
            "The {s} was far from {no}.",
            "The {s} was never {no}.",
            "Nobody could call the {s} {no}.",
            "Nobody will say that the {s} was {no}.",
            "I could never say that the {s} was {no}.",
            "I could not say that the {s} was {no}.",
            "I did not find the {s} {no} at all.",
            "There was nothing {no} about the {s}.",
            "I never once found the {s} {no}.",
            "I did not have one {no} minute with the {s}.",
            "Nobody can say that I {no_verb} the {s}.",
            "There is no doubt that the {s} was {yes}.",
            "I do not hesitate to call the {s} {yes}.",
            "Nobody can deny that the {s} was {yes}.",
            "Nobody will doubt that the {s} was {yes}.",
            "I cannot stop saying that the {s} was {yes}.",
            "I do not mind saying that the {s} was {yes}.",
            "I cannot deny that I found the {s} {yes}.",
            "The {s} was nothing short of {yes}.",
            "Not once did I doubt that the {s} was {yes}.",
            "I never doubted that the {s} was {yes}.",
            "It is no exaggeration to call the {s} {yes}.",
            "Make no mistake, the {s} was {yes}.",
            "There is no doubt that I {yes_verb} the {s}.",
        ),
        (
            "I could not call the {s} {no} at all.",
            "I never found the {s} {no} at all.",
            "Nobody could say that the {s} was {no}.",
            "There is no doubt that I found the {s} {yes}.",
            "I cannot deny that the {s} was {yes}.",
            "Make no mistake, I {yes_verb} the {s}.",
        ),
    ),
    "contrast": (
        (
            "The {s} was not {no} but {yes}.",
            "The {s} was {yes}, not {no}.",
            "The {s} was {yes} rather than {no}.",
            "The {s} was less {no} than {yes}.",
            "The {s} was more {yes} than {no}.",
            "Far from {no}, the {s} was {yes}.",
            "It was a {yes} {s}, not a {no} one.",
            "It was not a {no} {s} but a {yes} one.",
            "It was more a {yes} {s} than a {no} one.",
            "Rather than {no}, the {s} was {yes}.",
            "I did not find the {s} {no}; I found it {yes}.",
            "I found the {s} more {yes} than {no}.",
        ),
        (
            "I found the {s} {yes}, not {no}.",
            "I found the {s} not {no} but {yes}.",
            "It was a {yes} {s} rather than a {no} one.",
            "The {s} was {yes} and far from {no}.",
            "I found the {s} less {no} than {yes}.",
        ),
    ),
    "concession": (
        (
            "Although the {s} was {no} at first, it was {yes} in the end.",
            "The {s} was {no} at first but {yes} in the end.",
            "In the end the {s} was {yes}, although it was {no} at first.",
            "The {s} was {yes} in the end, even if it was {no} at first.",
            "I expected a {no} {s}, but it turned out {yes}.",
            "The {s} turned out {yes}, although I expected a {no} one.",
            "Despite a {no} start, the {s} was {yes}.",
            "The {s} was {yes} despite a {no} start.",
            "In the end the {s} was {yes} despite a {no} start.",
            "It was a {yes} {s} in the end, although it seemed {no} at first.",
            "I {no_verb} the {s} at first, but in the end I {yes_verb} it.",
            "At first I {no_verb} the {s}, but it turned out {yes}.",
            "At first the {s} was {no}, yet it turned out {yes}.",
            "At first I found the {s} {no}, but in the end it was {yes}.",
            "At first the {s} seemed {no}, yet I {yes_verb} it in the end.",
            "In the end I {yes_verb} the {s}, even if I {no_verb} it at first.",
            "The {s} seemed {no} at first, yet in the end it was {yes}.",
        ),
        (
            "At first the {s} was {no}, but in the end it was {yes}.",
            "Although I {no_verb} the {s} at first, it turned out {yes}.",
            "In the end it was a {yes} {s}, despite a {no} start.",
            "I {yes_verb} the {s} in the end, although I expected a {no} one.",
            "Even if the {s} seemed {no} at first, I {yes_verb} it in the end.",
        ),
    ),
    "other_opinion": (
        (
            "My {p} called the {s} {no}, but I found it {yes}.",
            "My {p} found the {s} {no}, but I {yes_verb} it.",
            "I found the {s} {yes}, but my {p} called it {no}.",
            "I {yes_verb} the {s}, but my {p} found it {no}.",
            "Unlike my {p}, who {no_verb} the {s}, I found it {yes}.",
            "Unlike my {p}, who called the {s} {no}, I {yes_verb} it.",
            "I found the {s} {yes}, unlike my {p}, who {no_verb} it.",
            "I {yes_verb} the {s}, unlike my {p}, who found it {no}.",
            "My {p} {no_verb} the {s}; I {yes_verb} it.",
            "I {yes_verb} the {s}; my {p} {no_verb} it.",
            "According to my {p} the {s} was {no}; to me it was {yes}.",
            "To me the {s} was {yes}; according to my {p} it was {no}.",
            "My {p} called the {s} {no}. I disagree.",
            "My {p} called the {s} {yes}. I agree.",
            "My {p} {no_verb} the {s}. I disagree.",
            "My {p} {yes_verb} the {s}. I agree.",
            "I disagree with my {p}, who {no_verb} the {s}.",
            "I agree with my {p}, who {yes_verb} the {s}.",
            "I disagree with my {p}, who called the {s} {no}.",
            "I agree with my {p}, who called the {s} {yes}.",
            "My {p}, who {no_verb} the {s}, is wrong.",
            "My {p}, who {yes_verb} the {s}, is right.",
            "My {p}, who called the {s} {no}, is wrong.",
            "My {p}, who called the {s} {yes}, is right.",
        ),
        (
            "Although my {p} called the {s} {no}, I {yes_verb} it.",
            "My {p} {no_verb} the {s}, but to me it was {yes}.",
            "I {yes_verb} the {s}, unlike my {p}, who called it {no}.",
            "I disagree with my {p}, who found the {s} {no}.",
            "I agree with my {p}, who found the {s} {yes}.",
        ),
    ),
    "distant": (
        (
            "The {s} was {yes}.",
            "I found the {s} {yes}.",
            "I {yes_verb} the {s}.",
            "To me the {s} was {yes}.",
            "I had waited weeks for the {s}. {neutral} The {o} was {no}. What I had waited for was {yes}.",
            "This review is about the {s}. The {o} was {no}. {neutral} My verdict: {yes}.",
            "My verdict first: {yes}. {neutral} The {o} was {no}. That verdict is about the {s}.",
            "The {s}, which we tried after a {no} {o}, was {yes}.",
            "It was {yes}, the {s} that we tried after a {no} {o}.",
            "After a {no} {o} we tried the {s}; it was {yes}.",
            "I {yes_verb} the {s} and {no_verb} the {o}.",
            "I {no_verb} the {o} and {yes_verb} the {s}.",
            "We tried two things, first the {s} and then the {o}. The second was {no}; the first was {yes}.",
            "We tried two things, first the {s} and then the {o}. The first was {yes}; the second was {no}.",
            "We tried two things, first the {o} and then the {s}. The second was {yes}; the first was {no}.",
            "We tried two things, first the {o} and then the {s}. The first was {no}; the second was {yes}.",
            "First we tried the {s} and then the {o}. The first was {yes}; the second was {no}.",
            "First we tried the {o} and then the {s}. The first was {no}; the second was {yes}.",
        ),
        (
            "I had waited weeks for the {s}. {neutral} I {no_verb} the {o}. My verdict: {yes}.",
            "My verdict first: {yes}. {neutral} I {no_verb} the {o}. That verdict is about the {s}.",
            "After a {no} {o} we tried the {s}, which was {yes}.",
            "First we tried the {s} and then the {o}. The second was {no}; the first was {yes}.",
            "First we tried the {o} and then the {s}. The second was {yes}; the first was {no}.",
        ),
    ),
}
# A distractor is a train template of these patterns about another thing, with a verdict drawn at random.
DISTRACTOR_PATTERNS = ("negation", "contrast", "concession", "other_opinion")
NEUTRAL_SHARE = 0.65  # of the sentences around the deciding one; the others are distractors
LEAD_INS = ("", "", "By the way, ", "On another note, ")

SLOTS = {"o": OTHER_THINGS, "p": PEOPLE, "day": DAYS, "month": MONTHS}

# Lowest and highest distance of each range, and its share of the rows in twentieths.
DISTANCE_RANGES = ((0, 4, 9), (5, 14, 5), (15, 29, 2), (30, 59, 2), (60, 75, 2))


def build_sample_reviews(
    seed: int = 0, num_train: int = 8000, num_validation: int = 1000, num_test: int = 2000
) -> DatasetDict:
    """
    Generate the bundled corpus of reviews whose verdict depends on order and memory.

    The same seed and sizes give the same texts; no text occurs twice. Validation is drawn like training. Test is not:
    every deciding sentence there has a held-out template, and no review there shares a pair of subject and polar word
    (adjective or verb) with a training review. Each word of the test split does occur in training.

    Args:
        seed: Seed of the one `random.Random` all choices come from.
        num_train: Reviews for training. The default is enough for an LSTM to learn the grammar in under ten epochs.
        num_validation: Reviews for validation.
        num_test: Reviews for testing. By default a tenth of them, 200, fall into the rarest range of distances.

    Returns:
        The splits `train`, `validation` and `test`, in random order, with the columns `text`; `label` (`negative` or
        `positive`, balanced); `pattern`, the construction that carries the verdict (`negation`, `contrast`,
        `concession`, `other_opinion` or `distant`); and `distance`, the number of words between the end of the
        deciding words, counted as the end of their sentence, and the end of the text. A word is what stands between
        spaces. Patterns, labels and ranges of distance are crossed evenly, so that accuracy by distance compares like
        with like.
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
            # Each stratum in turn, once with either label.
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
    """One row: an opening, perhaps some distraction, the deciding sentence, and distraction of the wanted length."""
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
        for _ in range(100):  # Far more tries than it takes: what is too long, or used before, is drawn again.
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
    """The polar words allowed in a review of `subject`, as the slots of a negative and of a positive verdict."""
    row = [name for _, name in SUBJECTS].index(subject)

    def allowed(words: tuple[str, ...]) -> list[str]:
        # Subjects and words span a table of pairs, of which every fourth diagonal is kept for the test split.
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


def _expand(rng: random.Random, template: str, slots: dict[str, Sequence[str]]) -> str:
    """Fill each `{slot}` with one of its words, and again the slots in these; then `a` is `an` before a vowel."""
    while "{" in template:
        template = re.sub(r"{(\w+)}", lambda slot: rng.choice(slots[slot[1]]), template)
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", template)
