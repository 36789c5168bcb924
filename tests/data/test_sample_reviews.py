import hashlib
import json
import re
from collections import Counter

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from hf_lstm.data.review_grammar import OTHER_THINGS, PEOPLE, TEMPLATES
from hf_lstm.data.sample_reviews import build_sample_reviews


def words_of(text):
    return re.findall(r"\w+", text.lower())


# Listed here instead of imported, so that the tests find a word that is on the wrong side of the grammar.
POSITIVE = set(
    words_of(
        "superb wonderful excellent delightful splendid brilliant marvellous fantastic impressive lovely charming "
        "great loved adored enjoyed admired liked relished cherished treasured"
    )
)
NEGATIVE = set(
    words_of(
        "dreadful awful terrible dismal wretched hopeless miserable abysmal disappointing irritating lousy shoddy "
        "hated loathed disliked detested despised resented abhorred regretted"
    )
)
SUBJECTS = set(
    words_of(
        "film thriller comedy documentary musical opera restaurant bistro pizzeria tavern bakery diner "
        "novel memoir biography anthology guidebook trilogy camera laptop kettle printer keyboard bicycle"
    )
)
DISTANCE_RANGES = ((0, 4), (5, 14), (15, 29), (30, 59), (60, 100))

# How a reader understands a sentence: the captured word agrees with the label (True) or contradicts it (False).
READINGS = (
    ("negation", r"The SUBJECT was anything but (\w+)\.", False),
    ("negation", r"I never once found the SUBJECT (\w+)\.", False),
    ("negation", r"There is no doubt that the SUBJECT was (\w+)\.", True),
    ("negation", r"Nobody could say that the SUBJECT was (\w+)\.", False),
    ("negation", r"I cannot deny that the SUBJECT was (\w+)\.", True),
    ("contrast", r"The SUBJECT was not \w+ but (\w+)\.", True),
    ("contrast", r"The SUBJECT was (\w+), not \w+\.", True),
    ("contrast", r"The SUBJECT was less (\w+) than \w+\.", False),
    ("contrast", r"It was an? (\w+) SUBJECT rather than an? \w+ one\.", True),
    ("concession", r"Although the SUBJECT was \w+ at first, it was (\w+) in the end\.", True),
    ("concession", r"The SUBJECT turned out (\w+), although I expected an? \w+ one\.", True),
    ("concession", r"At first the SUBJECT was (\w+), but in the end it was \w+\.", False),
    ("other_opinion", r"My \w+ called the SUBJECT (\w+)\. I disagree\.", False),
    ("other_opinion", r"I agree with my \w+, who (\w+) the SUBJECT\.", True),
    ("other_opinion", r"I (\w+) the SUBJECT; my \w+ \w+ it\.", True),
    ("other_opinion", r"My \w+ (\w+) the SUBJECT, but to me it was \w+\.", False),
    ("distant", r"My verdict first: (\w+)\.", True),
    ("distant", r"It was (\w+), the SUBJECT that we tried after an? \w+ [\w ]+\.", True),
    ("distant", r"first the SUBJECT and then the [\w ]+\. The second was (\w+); the first was \w+\.", False),
    ("distant", r"irst [a-z ]*the (?!SUBJECT)[\w ]+ and then the SUBJECT\. The second was (\w+); the first", True),
)


@pytest.fixture(scope="module")
def reviews():
    """Each split as plain lists by column, which are faster to iterate over than a `Dataset`."""
    return {split: rows[:] for split, rows in build_sample_reviews().items()}


def subject_of(text):
    (subject,) = SUBJECTS & set(words_of(text))
    return subject


def skeleton(text):
    """Replaces the words that vary, so that the template of a sentence can be recognised."""
    names = {"SUBJECT": SUBJECTS, "POLAR": POSITIVE | NEGATIVE, "PERSON": PEOPLE}
    classes = {word: name for name, words in names.items() for word in words}
    text = re.sub("|".join(OTHER_THINGS), "OTHER", text)
    return re.sub(r"\w+", lambda word: classes.get(word[0], word[0]), text).replace(" an POLAR", " a POLAR")


def template_parts(template):
    """The skeleton of a template, in the parts before and after a neutral sentence."""
    polar = dict.fromkeys(("yes", "no", "yes_verb", "no_verb"), "POLAR")
    filled = template.format(s="SUBJECT", o="OTHER", p="PERSON", neutral="|", **polar)
    return [f". {part}" for part in filled.split(" | ")]


def test_columns_sizes_and_balance(reviews):
    for split, size in (("train", 8000), ("validation", 1000), ("test", 2000)):
        assert list(reviews[split]) == ["text", "label", "pattern", "distance"]
        assert Counter(reviews[split]["label"]) == {0: size // 2, 1: size // 2}
        assert Counter(reviews[split]["pattern"]) == dict.fromkeys(TEMPLATES, size // 5)


# Published results refer to exactly these texts.
DIGESTS = {
    "train": "2172114a499d8907cb259ef14ce6bdb7dc9a45281a40a59bc3a95b3167ee2547",
    "validation": "f755c982c62e42c2d6b825128a13fa08aad14cd80dc0d3924aeb144d8b3b2b3b",
    "test": "5c297fb35e76e352b9dc166ab1b77051f79cfdd765688d54ba826770690af1ec",
}


def test_the_default_reviews_never_change(reviews):
    for split, columns in reviews.items():
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        assert hashlib.sha256(json.dumps(rows).encode()).hexdigest() == DIGESTS[split]


def test_the_seed_determines_the_reviews():
    sizes = {"num_train": 50, "num_validation": 7, "num_test": 20}
    first, again, other = (build_sample_reviews(seed=seed, **sizes) for seed in (3, 3, 4))
    assert {split: rows.num_rows for split, rows in first.items()} == {"train": 50, "validation": 7, "test": 20}
    for split in first:
        assert first[split].features["label"].names == ["negative", "positive"]
        assert first[split].features["distance"].dtype == "int32"
        assert first[split].to_list() == again[split].to_list()
        assert first[split].to_list() != other[split].to_list()


def test_no_text_occurs_twice(reviews):
    texts = [text for rows in reviews.values() for text in rows["text"]]
    assert len(set(texts)) == len(texts) == 11000


def test_readable_english(reviews):
    for rows in reviews.values():
        for text in rows["text"]:
            assert not re.search(r"[{}]|  |\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", text), text
            assert all(re.match(r"[A-Z].*\w$", sentence) for sentence in text.removesuffix(".").split(". ")), text


def test_every_test_word_occurs_in_train(reviews):
    assert {w for t in reviews["test"]["text"] for w in words_of(t)} <= {
        w for t in reviews["train"]["text"] for w in words_of(t)
    }


def test_pairs_of_subject_and_polar_word_are_held_out(reviews):
    pairs = {
        split: {
            (subject_of(text), word) for text in rows["text"] for word in set(words_of(text)) & (POSITIVE | NEGATIVE)
        }
        for split, rows in reviews.items()
    }
    assert not pairs["test"] & (pairs["train"] | pairs["validation"])
    # Together these are all pairs; a quarter of them is held out, evenly over subjects and words.
    assert len(pairs["test"]) == len(SUBJECTS) * 40 // 4
    assert len(pairs["train"]) == len(SUBJECTS) * 40 * 3 // 4


def test_templates_are_held_out(reviews):
    skeletons = {split: [skeleton(text) for text in rows["text"]] for split, rows in reviews.items()}

    def count(template, split):
        parts = template_parts(template)
        return sum(all(part in text for part in parts) for text in skeletons[split])

    for train_templates, test_templates in TEMPLATES.values():
        for template in train_templates:
            assert count(template, "train") >= 20, template
            assert count(template, "test") == 0, template
        for template in test_templates:
            assert count(template, "test") >= 20, template
            assert count(template, "train") == count(template, "validation") == 0, template


def test_polar_words_are_balanced_over_the_labels(reviews):
    counts = {0: Counter(), 1: Counter()}
    for text, label in zip(reviews["train"]["text"], reviews["train"]["label"], strict=True):
        counts[label].update(words_of(text))
    # A single verb occurs about 250 times, so its share varies by several hundredths at random.
    for words, tolerance in ((POSITIVE, 0.03), (NEGATIVE, 0.03), *(({word}, 0.15) for word in POSITIVE | NEGATIVE)):
        in_negative, in_positive = (sum(counts[label][word] for word in words) for label in (0, 1))
        assert in_positive / (in_negative + in_positive) == pytest.approx(0.5, abs=tolerance), words


def test_a_bag_of_ngrams_is_not_enough(reviews):
    bag = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), LogisticRegression(C=10, max_iter=1000)
    )
    bag.fit(reviews["train"]["text"], reviews["train"]["label"])
    # The held-out words and templates are not the only reason: validation has the same distribution as training.
    for split in ("validation", "test"):
        assert bag.score(reviews[split]["text"], reviews[split]["label"]) <= 0.80


@pytest.mark.parametrize(("pattern", "reading", "agrees"), READINGS)
def test_labels_agree_with_a_reader(reviews, pattern, reading, agrees):
    verdicts = []
    for rows in reviews.values():
        for text, label, row_pattern in zip(rows["text"], rows["label"], rows["pattern"], strict=True):
            found = re.search(reading.replace("SUBJECT", subject_of(text)), text)
            if row_pattern == pattern and found:
                assert found[1] in POSITIVE | NEGATIVE
                assert label == ((found[1] in POSITIVE) == agrees), text
                verdicts.append(label)
    assert len(verdicts) >= 30
    assert len(set(verdicts)) == 2


def test_distance_counts_the_words_after_the_deciding_sentence(reviews):
    # The deciding sentence is the last one that names the subject or refers back to it.
    refers_back = r"What I had waited for was|My verdict: |The first was \w+; the second|The second was \w+; the first"
    for rows in reviews.values():
        for text, pattern, distance in zip(rows["text"], rows["pattern"], rows["distance"], strict=True):
            sentences = re.split(r"(?<=\.) ", text)
            last = max(
                i for i, s in enumerate(sentences) if subject_of(text) in words_of(s) or re.match(refers_back, s)
            )
            if pattern == "other_opinion" and sentences[last + 1 : last + 2] in (["I agree."], ["I disagree."]):
                last += 1
            assert distance == sum(len(sentence.split()) for sentence in sentences[last + 1 :]), text


def test_distances_are_balanced_over_labels_and_patterns(reviews):
    rows = list(zip(*(reviews["test"][column] for column in ("distance", "label", "pattern")), strict=True))
    sizes = []
    for low, high in DISTANCE_RANGES:
        cells = Counter((label, pattern) for distance, label, pattern in rows if low <= distance <= high)
        sizes.append(sum(cells.values()))
        assert sizes[-1] >= 150
        # Ten cells of label and pattern, a tenth of the rows in each.
        for cell, number in cells.items():
            assert number / sizes[-1] == pytest.approx(0.1, abs=0.02), (low, cell)
    assert sum(sizes) == len(rows)
