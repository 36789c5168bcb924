import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from hf_lstm.text.inputs import check_texts, iterate_checked

TEXTS = ["a good film", "", "naïve 😀"]


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        tuple(TEXTS),
        iter(TEXTS),
        pd.Series(TEXTS, index=[7, 7, 3]),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        Dataset.from_dict({"text": TEXTS})["text"],
        Dataset.from_dict({"text": TEXTS}).to_iterable_dataset()["text"],
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_every_kind_of_column_gives_its_strings_in_order(texts):
    checked = check_texts(texts)
    assert type(checked) is list and checked == TEXTS


@pytest.mark.parametrize("texts", ["a good film", "", b"a good film"])
def test_a_single_string_is_refused(texts):
    with pytest.raises(TypeError, match="Expected several texts, got a single string; pass a list"):
        check_texts(texts)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None], r"texts\[1\] is None \(NoneType\), not a string"),
        (["a", "b", 3.5], r"texts\[2\] is 3.5 \(float\), not a string"),
        (pd.Series(["a", np.nan]), r"texts\[1\] is nan \(float\), not a string"),
        (pd.Series(["a", None], dtype="string"), r"texts\[1\] is <NA> \(NAType\), not a string"),
        ([b"a"], r"texts\[0\] is b'a' \(bytes\), not a string"),
        (np.array([["a", "b"]]), r"texts\[0\] is .* \(ndarray\), not a string"),
        ([["x" * 1_000]], r"^.{,120}$"),
    ],
)
def test_an_item_that_is_not_a_string_is_named_by_its_index(texts, message):
    with pytest.raises(TypeError, match=message):
        check_texts(texts)


@pytest.mark.parametrize(
    "texts",
    [{"text": TEXTS}, set(TEXTS), pd.DataFrame({"text": TEXTS}), Dataset.from_dict({"text": TEXTS})],
    ids=lambda texts: type(texts).__name__,
)
def test_tables_and_sets_are_refused(texts):
    with pytest.raises(TypeError, match=f"got a {type(texts).__name__}; pass one column or a list"):
        check_texts(texts)


@pytest.mark.parametrize("texts", [None, 3])
def test_what_is_not_iterable_is_refused(texts):
    with pytest.raises(TypeError, match="Expected a list of texts, got"):
        check_texts(texts)


def test_texts_are_read_one_by_one():
    texts = iterate_checked(text for text in ["a", None])
    assert next(texts) == "a"
    with pytest.raises(TypeError, match=r"texts\[1\]"):
        next(texts)
