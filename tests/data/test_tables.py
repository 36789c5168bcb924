import decimal

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, IterableDatasetDict, List, Value

from hf_lstm.data.tables import (
    convert_splits,
    convert_value,
    find_column,
    iterate_texts,
    kind_of,
    merge_kinds,
    name_source,
    plain_type,
    select_texts,
)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (None, "the bundled reviews"),
        ("a/b.csv", "a/b.csv"),
        (pd.DataFrame(), "the DataFrame"),
        (Dataset.from_dict({}), "the Dataset"),
        (DatasetDict(), "the DatasetDict"),
        ({"train": []}, "the dictionary"),
        ([], "the list"),
    ],
)
def test_names_in_messages(data, name):
    assert name_source(data) == name


@pytest.mark.parametrize(
    ("column", "feature", "values"),
    [
        (pd.Series(["a", None, "b"]), Value("string"), ["a", None, "b"]),
        (pd.Series(["a", np.nan, "b"], dtype=object), Value("string"), ["a", None, "b"]),
        (pd.Series(["a", None, "b"], dtype="string"), Value("string"), ["a", None, "b"]),
        (pd.Series(["a", None, "b"], dtype="category"), Value("string"), ["a", None, "b"]),
        (pd.Series([1, None, 3], dtype="Int64"), Value("int64"), [1, None, 3]),
        (pd.Series([3, 1, 3], dtype="category"), Value("int64"), [3, 1, 3]),
        (pd.Series([True, None, False], dtype="boolean"), Value("bool"), [True, None, False]),
        (pd.Series([1.5, np.nan, 2]), Value("float64"), [1.5, None, 2.0]),
        (pd.Series([0, 0, 2], dtype=pd.SparseDtype("int64")), Value("int64"), [0, 0, 2]),
        (pd.Series([["a"], [], ["b", "c"]]), List(Value("string")), [["a"], [], ["b", "c"]]),
        (pd.Series([decimal.Decimal("1.50"), None, decimal.Decimal("2")]), Value("float64"), [1.5, None, 2.0]),
        (pd.Series(["lone \ud800", None, "b"], dtype=object), Value("string"), ["lone \ufffd", None, "b"]),
    ],
)
def test_columns_of_pandas(column, feature, values):
    rows = convert_splits(pd.DataFrame({"x": column}).set_index(pd.Index([4, 4, 9], name="key")))["train"]
    assert rows.features == {"x": feature} and rows["x"][:] == values


def test_columns_of_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(
        {
            "text": ["a", None],
            "category": pl.Series(["x", "y"], dtype=pl.Categorical),
            "enum": pl.Series(["x", "y"], dtype=pl.Enum(["y", "x"])),
            "lists": [["a"], []],
            "number": [1, 2],
        }
    )
    rows = convert_splits(frame)["train"]
    assert rows.features == {
        "text": Value("string"),
        "category": Value("string"),
        "enum": Value("string"),
        "lists": List(Value("string")),
        "number": Value("int64"),
    }
    assert rows.to_list() == frame.to_dicts()


def test_rows_of_dictionaries_may_have_different_keys():
    rows = convert_splits([{"text": "a", "n": 1}, {"text": "b", "n": 2.5, "more": "x"}])["train"]
    assert rows.to_list() == [{"text": "a", "n": 1.0, "more": None}, {"text": "b", "n": 2.5, "more": "x"}]


def test_names_of_columns_become_strings():
    assert convert_splits(pd.DataFrame({0: ["a"], "b": [1]}))["train"].column_names == ["0", "b"]


def test_datasets_are_not_changed_and_an_iterable_one_makes_all_of_them_iterable():
    rows = Dataset.from_dict({"text": ["a"]})
    assert convert_splits(rows)["train"] is rows
    splits = convert_splits({"train": rows, "test": rows.to_iterable_dataset()})
    assert isinstance(splits, IterableDatasetDict)
    assert {split: list(rows) for split, rows in splits.items()} == {"train": [{"text": "a"}], "test": [{"text": "a"}]}


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "^The DataFrame has several columns 'a'; rename"),
        ([1, 2], TypeError, "^The list cannot be read as a table; pass a file"),
        (pd.Series(["a"]), TypeError, "^The Series cannot be read as a table"),
        (np.zeros((2, 2)), TypeError, "^The ndarray cannot be read as a table"),
    ],
)
def test_unusable_tables_give_one_sentence(data, error, message):
    with pytest.raises(error, match=message) as raised:
        convert_splits(data)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.large_list(pa.string_view()), pa.list_(pa.string())),
        (pa.list_(pa.float32(), 3), pa.list_(pa.float32())),
        (pa.decimal128(5, 2), pa.float64()),
        (pa.int8(), pa.int8()),
    ],
)
def test_plain_type(kind, plain):
    assert plain_type(kind) == plain


@pytest.mark.parametrize(
    ("values", "kind", "converted"),
    [
        ([None], "null", [None]),
        ([1, None, 2], "int64", [1, None, 2]),
        ([1, 2.5], "float64", [1, 2.5]),
        ([1, 2**63], "mixed", ["1", "9223372036854775808"]),
        ([2**63], "string", ["9223372036854775808"]),
        ([True, None], "bool", [True, None]),
        ([True, 1], "mixed", ["true", "1"]),
        (["a", 2.0, None], "mixed", ["a", "2.0", None]),
        ([[], [1], [2.5]], "list:float64", [[], [1], [2.5]]),
        ([["a"], [1, None]], "list:mixed", [["a"], ["1", None]]),
        ([["a"], "a"], "mixed", ['["a"]', "a"]),
        ([[], [{"a": 1}]], "object", None),
        ([{}, "ü"], "mixed", ["{}", "ü"]),
        ([np.int64(3), np.float32(0.5)], "float64", [3, 0.5]),
    ],
)
def test_kinds_of_values(values, kind, converted):
    found = "null"
    for value in values:
        found = merge_kinds(found, kind_of(value))
    assert found == kind
    assert converted is None or [convert_value(value, kind) for value in values] == converted


@pytest.mark.parametrize(
    ("values", "expected", "note"),
    [
        (["a", 1, None, float("nan"), pd.NA], ["a", "1", None, None, None], "has values of several types; all its"),
        ([object(), None], None, "Did not read column 't' of the DataFrame; its type cannot be read"),
    ],
)
def test_columns_of_several_or_unknown_types_are_reported(values, expected, note):
    notes = []
    rows = convert_splits(pd.DataFrame({"t": pd.Series(values, dtype=object), "n": range(len(values))}), notes)["train"]
    assert rows.column_names == (["n"] if expected is None else ["t", "n"])
    assert expected is None or rows["t"][:] == expected
    assert len(notes) == 1 and note in notes[0]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["id", "Sentence", "label"], "Sentence"),
        (["text", "title", "content"], "text"),
        (["review_text", "stars"], "review_text"),
        (["predicted_text", "sentence"], "sentence"),
    ],
)
def test_find_column(columns, found):
    assert find_column(columns, ("text", "sentence", "content"), None, role="text", where="x") == found
    assert find_column(columns, ("text", "sentence", "content"), columns[-1], role="text", where="x") == columns[-1]
    with pytest.raises(ValueError, match=f"no column 'zz'; its columns are: {', '.join(columns)}"):
        find_column(columns, ("text",), "zz", role="text", where="x")


def test_ambiguous_and_missing_columns_give_one_sentence():
    with pytest.raises(ValueError, match="^The table has several columns that may be the label column; set label"):
        find_column(["coarse_label", "fine_label"], ("label",), None, role="label", where="the table")
    with pytest.raises(ValueError, match="^The table has no column with a usual text name; set text_column. Its"):
        find_column(["a", "b"], ("text",), None, role="text", where="the table")


@pytest.mark.parametrize("streaming", [False, True])
def test_select_texts_leaves_out_blank_texts_and_other_columns(streaming):
    rows = datasets.Dataset.from_dict({"body": ["a", "", " \n", None, "b"], "id": range(5)})
    selected = select_texts(rows.to_iterable_dataset() if streaming else rows, "body")
    assert [dict(row) for row in selected] == [{"text": "a"}, {"text": "b"}]
    assert selected.features == datasets.Features({"text": datasets.Value("string")})


def test_iterate_texts_gives_all_texts_in_order():
    texts = [str(i) for i in range(2_500)]
    assert list(iterate_texts(datasets.Dataset.from_dict({"text": texts, "labels": range(2_500)}))) == texts
