import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, pipeline

from hf_lstm.teachers.teacher_kinds import (
    FITTED_TEACHERS,
    EncoderTeacher,
    FileTeacher,
    SavedClassifier,
    Task,
    find_teacher,
    read_probabilities,
)
from hf_lstm.text.tokenization import train_tokenizer

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


@pytest.mark.parametrize(
    ("name", "teacher"),
    [
        ("linear", FITTED_TEACHERS["linear"]),
        ("latent", FITTED_TEACHERS["latent"]),
        ("runs/imdb/taught.parquet", FileTeacher("runs/imdb/taught.parquet")),
        ("labels.CSV", FileTeacher("labels.CSV")),
        ("runs/imdb", SavedClassifier("runs/imdb")),
        ("me/model-1.5", SavedClassifier("me/model-1.5")),
    ],
)
def test_kind_follows_from_the_name(name, teacher):
    assert find_teacher(name) == teacher


def test_task_labels_the_unlabelled_texts_if_there_are_any():
    fields = (("bad", "good"), SINGLE, ["good film", "bad film"], np.eye(2)[[1, 0]])
    assert Task(*fields, unlabelled=None).texts == ["good film", "bad film"]
    task = Task(*fields, unlabelled=["good plot"])
    assert task.texts == ["good plot"]
    # "film" and "good" occur in two of the three texts.
    assert task.ngrams.toarray().tolist() == [[1, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_probabilities_of_a_file_are_found_by_text_and_column(write_probabilities, suffix):
    rows = {"good film": [0.1, 0.9], "bad film": [0.8, 0.2], "more": [0.5, 0.5]}
    path = write_probabilities(f"soft.{suffix}", rows, ("bad", "good"))
    found = read_probabilities(path, ["bad film", "good film", "bad film"], ("good", "bad"), SINGLE)
    assert found.tolist() == [[0.2, 0.8], [0.9, 0.1], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (
            {"good film": [0.1, 0.9]},
            ("bad", "great"),
            "has no column 'good'. It needs the column `text` and one column per label: bad, good.",
        ),
        (
            {"good film": ["high", 0.9]},
            ("bad", "good"),
            "has ['high', {}] in the columns bad, good of 'good film'. These must be numbers.",
        ),
        (
            {"bad film": [0.1, 0.9]},
            ("bad", "good"),
            "has no probabilities for 2 of 3 texts. The first one is 'good film'.",
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_missing_values_of_a_file_are_reported(write_probabilities, rows, names, message, suffix):
    path = write_probabilities(f"soft.{suffix}", rows, names)
    with pytest.raises(ValueError) as error:
        read_probabilities(path, ["good film", "bad film", "odd film"], ("bad", "good"), SINGLE)
    assert str(error.value) == f"{path} {message.format(repr('0.9') if suffix == 'csv' else 0.9)}"


@pytest.mark.parametrize(
    ("values", "rejected_by"),
    [
        ([0.1, 0.9], set()),
        ([0.333, 0.666], set()),  # rounded
        ([0.9, 0.8], {SINGLE}),
        ([30.0, 70.0], {SINGLE, MULTI}),
        ([-4.2, 5.2], {SINGLE, MULTI}),
        (["nan", 0.5], {SINGLE, MULTI, "regression"}),
        ([0.5, "inf"], {SINGLE, MULTI, "regression"}),
    ],
)
@pytest.mark.parametrize("problem_type", [SINGLE, MULTI, "regression"])
def test_impossible_probabilities_are_rejected(write_probabilities, values, rejected_by, problem_type):
    path = write_probabilities("soft.csv", {"film": values, "plot": [0.5, 0.5]}, ("bad", "good"))
    if problem_type not in rejected_by:
        assert read_probabilities(path, ["film"], ("bad", "good"), problem_type).tolist() == [values]
        return
    expected = {
        SINGLE: "probabilities that sum to 1",
        MULTI: "probabilities from 0 to 1",
        "regression": "finite scores",
    }
    with pytest.raises(ValueError, match=f"must have {expected[problem_type]}, but the values of 'film' are from "):
        read_probabilities(path, ["plot", "film"], ("bad", "good"), problem_type)


def test_probabilities_of_many_labels_may_be_rounded(write_probabilities):
    names = [f"label {i}" for i in range(150)]
    row = np.random.default_rng(0).dirichlet(np.ones(150)).round(2).tolist()
    path = write_probabilities("soft.jsonl", {"film": row}, names)
    assert read_probabilities(path, ["film"], names, SINGLE).tolist() == [row] and abs(sum(row) - 1) > 0.02


TASK = Task(("good", "bad"), SINGLE, ["good film", "bad film", "odd film"], np.eye(2)[[0, 1, 1]], None)


def test_the_array_of_a_function_has_the_order_of_the_data():
    def guess(texts):
        assert isinstance(texts, list)
        return np.array([[0.8, 0.2] if text.startswith("good") else [0.1, 0.9] for text in texts])

    teacher = find_teacher(guess)
    assert teacher.name == "function guess"
    assert teacher.predict(TASK, ()).tolist() == [[0.8, 0.2], [0.1, 0.9], [0.1, 0.9]]


def test_integer_labels_have_numeric_order():
    names = ("2", "3", "10")  # sorted as strings, 10 would be the first one
    task = Task(names, SINGLE, ["a"], np.eye(3)[:1], None)
    assert find_teacher(lambda texts: [[0.5, 0.3, 0.2]]).predict(task, ()).tolist() == [[0.5, 0.3, 0.2]]
    assert find_teacher(lambda texts: [{10: 0.2, 3: 0.3, 2: 0.5}]).predict(task, ()).tolist() == [[0.5, 0.3, 0.2]]


def test_a_table_of_a_function_is_reordered_by_its_names():
    table = pd.DataFrame({"bad": [0.2, 0.9, 0.9], "good": [0.8, 0.1, 0.1]}, index=[5, 4, 3])
    assert find_teacher(lambda texts: table).predict(TASK, ()).tolist() == [[0.8, 0.2], [0.1, 0.9], [0.1, 0.9]]


def test_a_function_may_return_what_a_pipeline_returns():
    scores = [[{"label": "bad", "score": 0.9}, {"label": "good", "score": 0.1}]] * 2
    scores.append([{"label": "good", "score": 0.8}, {"label": "bad", "score": 0.2}])
    assert find_teacher(lambda texts: scores).predict(TASK, ()).tolist() == [[0.1, 0.9], [0.1, 0.9], [0.8, 0.2]]


def test_a_function_may_return_dictionaries_and_is_called_with_few_texts_at_a_time(monkeypatch):
    monkeypatch.setattr("hf_lstm.teachers.teacher_kinds.CALL_TEXTS", 2)
    calls = []

    def guess(texts):
        calls.append(texts)
        return [{"bad": len(text) / 10, "good": 1 - len(text) / 10} for text in texts]

    np.testing.assert_allclose(find_teacher(guess).predict(TASK, ())[:, 1], [0.9, 0.8, 0.8])
    assert calls == [["good film", "bad film"], ["odd film"]]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            [[0.5, 0.5]],
            r"array of shape \(1, 2\) for 3 texts, but \(3, 2\) is needed: one column for each of good, bad, in this",
        ),
        ([[0.5, 0.5], [1.0], [0.5, 0.5]], r"a list that is no array of numbers .* for 3 texts, but \(3, 2\) is needed"),
        ([{"bad": 0.5, "good": 0.5}, 3, None], r"a list that is no array of numbers .* but \(3, 2\) is needed"),
        ([[], [], []], r"an array of shape \(3, 0\) for 3 texts, but \(3, 2\) is needed"),
        (object(), r"a object that is no array of numbers .* but \(3, 2\) is needed"),
        ([{"label": "bad", "score": 0.5}] * 3, "returned the labels label, score, but the data has good, bad"),
        (pd.DataFrame([[0.5, 0.5]] * 3), "returned the labels 0, 1, but the data has good, bad"),
        ([{"bad": 0.5, "great": 0.5}] * 3, "returned the labels bad, great, but the data has good, bad"),
        ([[0.9, 0.9]] * 3, "The function .* must have probabilities that sum to 1, but the values of 'good film'"),
    ],
)
def test_unsuitable_results_of_a_function_are_reported(returned, message):
    with pytest.raises(ValueError, match=message):
        find_teacher(lambda texts: returned).predict(TASK, ())


def test_a_pipeline_predicts_like_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_lstm.teachers.transformer.fast_dtype", lambda device: torch.float32)
    tokenizer = train_tokenizer(TASK.texts * 2, "word", 40, show_progress=False)
    labels = {"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=16, initializer_range=1.0, **sizes, **labels)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    mapping = {"LABEL_0": "good", "LABEL_1": "bad"}
    classify = pipeline("text-classification", model=str(tmp_path), dtype="float32")
    expected = [[score["score"] for score in classify(text, top_k=None)] for text in TASK.texts]
    teacher = find_teacher(classify, mapping)
    assert teacher.name == f"pipeline of {tmp_path}"
    predicted = teacher.predict(TASK, ())
    np.testing.assert_allclose(np.sort(predicted), np.sort(expected), atol=1e-5)
    np.testing.assert_allclose(find_teacher(str(tmp_path), mapping).predict(TASK, ()), predicted, atol=1e-5)


def test_other_objects_are_refused_and_teachers_returned():
    with pytest.raises(ValueError, match="must be a name, a text-classification pipeline or a function, got a int"):
        find_teacher(3)
    encoder = find_teacher("encoder:me/encoder", trust_remote_code=True)
    assert isinstance(encoder, EncoderTeacher) and (encoder.source, encoder.trust_remote_code) == ("me/encoder", True)
    assert find_teacher(encoder) is encoder
