import json
from functools import partial

import pyarrow as pa
import pytest

from hf_lstm.inference.columns import (
    MAX_FIELDS,
    ValueTypes,
    as_text,
    find_schema,
    predict_columns,
    prediction_types,
)
from hf_lstm.inference.prediction import predict_texts, probabilities


def type_of(*values) -> pa.DataType | None:
    types = ValueTypes()
    for value in values:
        types.add(value)
    return types.arrow_type()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, -(2**63)], pa.int64()),
        ([1, 2**64 - 1], pa.uint64()),
        ([-1, 2**63], None),
        ([2**64], None),
        ([1, 2.5], pa.float64()),
        ([2**53, 0.5], pa.float64()),
        ([2**53 + 1, 0.5], None),  # 9007199254740993 is no double
        ([-(2**53) - 1, 0.5], None),
        ([True, None], pa.bool_()),
        ([True, 1], None),
        (["1", 1], None),
        ([None, None], pa.string()),
        ([], pa.string()),
        ([[1], [], [None, 2.5]], pa.list_(pa.float64())),
        ([[]], pa.list_(pa.string())),
        ([[1], ["a"]], None),
        ([[1], 1], None),
        ([{"a": 1}, {"b": [True]}], pa.struct([("a", pa.int64()), ("b", pa.list_(pa.bool_()))])),
        ([{"a": 1}, {"a": "x"}], None),
        ([{}], None),
        ([[{}]], None),
        ([{"a": 1}, {}], pa.struct([("a", pa.int64())])),
    ],
)
def test_type_holds_every_value_without_loss(values, expected):
    assert type_of(*values) == expected


def test_objects_with_very_many_keys_become_text():
    assert type_of(*({f"key {i}": i} for i in range(MAX_FIELDS))) == pa.struct(
        [(f"key {i}", pa.int64()) for i in range(MAX_FIELDS)]
    )
    types = ValueTypes()
    for i in range(3 * MAX_FIELDS):
        types.add({f"key {i}": i})
    assert types.arrow_type() is None and len(types.fields) == MAX_FIELDS + 1


def test_schema_has_the_keys_of_all_rows_and_names_mixed_columns():
    schema, mixed = find_schema(iter([{"text": "a"}, {"text": "b", "x": 1, "y": 1}, {"z": None, "x": "1", "y": 0.5}]))
    expected = [("text", pa.string()), ("x", pa.string()), ("y", pa.float64()), ("z", pa.string())]
    assert schema == pa.schema(expected) and mixed == ["x"]
    assert find_schema([]) == (pa.schema([]), [])


def test_values_as_text():
    assert [as_text(value) for value in (None, "é", 1, 2.5, True)] == [None, "é", "1", "2.5", "true"]
    value = {"a": ["é", None, {"b": 1}]}
    assert json.loads(as_text(value)) == value and "é" in as_text(value)
    assert as_text("line\r\nbreak\x0c") == "line\r\nbreak\x0c"
    assert as_text(["a\ud83d"]) == '["a?"]'


def test_missing_texts_have_neither_label_nor_score(model, tokenizer):
    score = partial(predict_texts, model, tokenizer)
    columns = predict_columns(score, model.config, [None, "a good film", None, "not bad"])
    scores = probabilities(predict_texts(model, tokenizer, ["a good film", "not bad"]), "single_label_classification")
    first, second = ("neg" if row[0] > row[1] else "pos" for row in scores)
    assert columns["predicted_label"] == [None, first, None, second]
    assert columns["predicted_score"] == [None, pytest.approx(scores[0].max()), None, pytest.approx(scores[1].max())]
    assert predict_columns(score, model.config, []) == {"predicted_label": [], "predicted_score": []}


@pytest.mark.parametrize(
    ("problem_type", "num_labels", "label", "score"),
    [
        ("single_label_classification", 2, pa.string(), pa.float64()),
        ("multi_label_classification", 2, pa.list_(pa.string()), pa.list_(pa.float64())),
        ("regression", 1, pa.string(), pa.float64()),
        ("regression", 2, pa.string(), pa.list_(pa.float64())),
    ],
)
def test_types_of_predictions(tiny_config, problem_type, num_labels, label, score):
    config = tiny_config(problem_type=problem_type, num_labels=num_labels)
    assert prediction_types(config) == {"predicted_label": label, "predicted_score": score}
