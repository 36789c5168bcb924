import re

import pytest

from hf_lstm.data.review_grammar import (
    ADJECTIVES,
    DISTANCE_RANGES,
    DISTRACTOR_PATTERNS,
    NEUTRAL,
    OPENINGS,
    OTHER_THINGS,
    SLOTS,
    SUBJECTS,
    TEMPLATES,
    VERBS,
)

POLAR_SLOTS = {"yes", "no", "yes_verb", "no_verb"}
ALL_TEMPLATES = [template for pair in TEMPLATES.values() for part in pair for template in part]


def slots_of(template):
    return set(re.findall(r"{(\w+)}", template))


@pytest.mark.parametrize("template", ALL_TEMPLATES)
def test_templates_name_the_subject_and_decide_the_label(template):
    assert "s" in slots_of(template)
    assert slots_of(template) & {"yes", "no", "yes_verb", "no_verb"}
    assert slots_of(template) <= POLAR_SLOTS | {"s", "neutral"} | set(SLOTS)


def test_templates_of_train_and_test_are_different():
    assert len(set(ALL_TEMPLATES)) == len(ALL_TEMPLATES)


def test_openings_and_neutral_sentences_have_no_polar_words():
    polar = {word for words in ADJECTIVES + VERBS for word in words}
    for template in OPENINGS + NEUTRAL:
        assert not slots_of(template) & POLAR_SLOTS
        assert not set(re.findall(r"\w+", template.lower())) & polar


def test_no_word_is_positive_and_negative_and_no_subject_is_a_distractor():
    for negative, positive in (ADJECTIVES, VERBS):
        assert len(negative) == len(positive) and not set(negative) & set(positive)
    assert not {subject for _, subject in SUBJECTS} & set(OTHER_THINGS)


def test_ranges_of_distance_do_not_overlap_and_their_fractions_add_up_to_one():
    assert sum(twentieths for *_, twentieths in DISTANCE_RANGES) == 20
    edges = [edge for *distances, _ in DISTANCE_RANGES for edge in distances]
    assert edges == sorted(set(edges))
    assert set(DISTRACTOR_PATTERNS) < set(TEMPLATES)
