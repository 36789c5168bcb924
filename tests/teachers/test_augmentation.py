import numpy as np

from hf_lstm.teachers import augmentation
from hf_lstm.teachers.augmentation import augment_texts

# 40 different words, so that the position of each word of a new text is known.
TEXT = " ".join(f"w{i}" for i in range(40))


def positions(text: str) -> list[int]:
    return [int(word[1:]) for word in text.split()]


def test_the_seed_decides():
    assert augment_texts([TEXT], 20, seed=1) == augment_texts([TEXT], 20, seed=1)
    assert augment_texts([TEXT], 20, seed=1) != augment_texts([TEXT], 20, seed=2)


def test_words_keep_their_order_and_nothing_is_repeated():
    new = augment_texts([TEXT, "one two", "", "one two"], 50, seed=0)
    assert len(new) == len(set(new)) and not {TEXT, "one two", ""} & set(new)
    assert {"one", "two"} <= set(new)
    for text in new:
        if text not in ("one", "two"):
            assert positions(text) == sorted(set(positions(text)))


def test_ngrams_are_contiguous_and_have_up_to_five_words(monkeypatch):
    monkeypatch.setattr(augmentation, "MASK_RATE", 0)
    new = augment_texts([TEXT], 3_000, seed=0)  # without masks, a new text that is not an n-gram equals the old one
    lengths = set()
    for text in new:
        found = positions(text)
        assert found == list(range(found[0], found[0] + len(found)))
        lengths.add(len(found))
    assert lengths == {1, 2, 3, 4, 5}
    assert {positions(text)[0] for text in new} == set(range(40))


def test_rates_are_those_of_the_paper(monkeypatch):
    new = augment_texts([f"{TEXT} x{i}" for i in range(400)], 10, seed=0)
    lengths = np.array([len(text.split()) for text in new])
    masked = lengths[lengths > 5]  # 41 words, each left out with a probability of 0.1
    assert abs(masked.mean() / 41 - 0.9) < 0.005
    # Of 4,000 draws a quarter are n-grams; many of these are equal, so that the others are counted.
    assert abs(len(masked) / 4_000 - 0.75) < 0.03


def test_a_single_word_gives_nothing():
    assert augment_texts(["word"], 10, seed=0) == []
