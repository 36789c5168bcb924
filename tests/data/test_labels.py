import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from helpers import labels_of, rows_of, three_splits

from hf_lstm.data.corpus import load_corpus


@pytest.mark.parametrize(
    ("labels", "names", "ids"),
    [
        (["pos", "neg", "pos"], ("neg", "pos"), [1, 0, 1]),
        ([10, 2, -1], ("-1", "2", "10"), [2, 1, 0]),
        (["10", "9", "9.0"], ("9", "10"), [1, 0, 0]),
        ([False, True, True], ("False", "True"), [0, 1, 1]),
        ([["b"], ["a"], ["b"]], ("a", "b"), [1, 0, 1]),
    ],
)
def test_classes_of_any_type(tmp_path, labels, names, ids):
    corpus = three_splits(tmp_path / "c", rows_of(labels))
    assert (corpus.problem_type, corpus.label_names) == ("single_label_classification", names)
    assert list(corpus.splits["train"]["labels"]) == ids
    assert corpus.splits["train"].features == Features(
        {"text": Value("string"), "labels": ClassLabel(names=list(names))}
    )


def test_class_label_names_and_unlabelled_splits(tmp_path):
    label = ClassLabel(names=["no", "yes", "never seen"])
    features = Features({"text": Value("string"), "label": label})

    def split(labels):
        return Dataset.from_dict({"text": [f"t{i}" for i in range(len(labels))], "label": labels}, features=features)

    DatasetDict(
        train=split([1, 0, 1, -1]), validation=split([0, 1]), test=split([-1, -1]), unsupervised=split([-1] * 5)
    ).save_to_disk(str(tmp_path / "saved"))
    corpus = load_corpus(str(tmp_path / "saved"))
    assert corpus.label_names == ("no", "yes", "never seen")
    assert {name: len(rows) for name, rows in corpus.splits.items()} == {"train": 3, "validation": 2}
    assert labels_of(corpus) == {"t0": 1, "t1": 0, "t2": 1}
    notes = " ".join(corpus.notes)
    assert "Skipped 1 row of the train split" in notes
    assert "The test split" in notes and "(2 rows) has no labels" in notes
    assert "'unsupervised' (5 rows)" in notes


def test_missing_rows_are_counted_and_blank_text_kept(tmp_path):
    rows = rows_of(["a", "b"] * 3)
    rows[0]["text"], rows[1]["label"], rows[2]["label"] = None, None, "  "
    rows[3]["text"], rows[4]["text"] = "", " \n "
    corpus = three_splits(tmp_path / "c", rows, rows_of(["a"]))
    assert list(corpus.splits["train"]["text"]) == ["", " \n ", "text 5"]
    notes = " ".join(corpus.notes)
    assert "Skipped 1 row of the train split" in notes and "without a text" in notes
    assert "Skipped 2 rows of the train split" in notes and "without a label" in notes
    assert "Kept 2 texts of the train split" in notes


@pytest.mark.parametrize("missing", ["", " ", "NaN", "nan", "None", "null", "NULL", "<NA>", None, float("nan")])
def test_missing_labels_are_skipped_and_counted(tmp_path, missing):
    rows = rows_of(["yes", "no", missing, "none", missing])
    corpus = load_corpus({"train": rows, "validation": rows_of(["no"])})
    assert corpus.label_names == ("no", "none", "yes")
    assert labels_of(corpus) == {"text 0": 2, "text 1": 0, "text 3": 1}
    assert "Skipped 2 rows of the train split of the dictionary without a label." in corpus.notes


def test_a_missing_label_in_a_list_skips_the_row():
    corpus = load_corpus(
        {"train": rows_of([["a", "b"], ["a", None], None, [], ["b", "NaN"]]), "validation": rows_of([["a"]])}
    )
    assert list(labels_of(corpus).items()) == [("text 0", [1, 1]), ("text 3", [0, 0])]


@pytest.mark.parametrize(
    ("labels", "separator"),
    [
        (["['Billing', 'Urgent']", "['Urgent']", "[]"], None),
        (['["Billing", "Urgent"]', '["Urgent"]', "[]"], None),
        ([["Billing", "Urgent"], ["Urgent"], []], None),
        (["Billing|Urgent", "Urgent"], "|"),
        (["Billing, Urgent", "Urgent"], ","),
    ],
)
def test_lists_of_labels_may_be_written_as_text(labels, separator):
    data = {"train": rows_of(labels), "validation": rows_of(labels[:1])}
    corpus = load_corpus(data, label_separator=separator)
    assert (corpus.problem_type, corpus.label_names) == ("multi_label_classification", ("Billing", "Urgent"))
    assert corpus.splits["train"]["labels"][:] == [[1, 1], [0, 1], [0, 0]][: len(labels)]


def test_text_in_brackets_is_a_class_unless_all_labels_are_lists():
    data = {"train": rows_of(["[a]", "['b']", "c"]), "validation": rows_of(["c"])}
    assert load_corpus(data).label_names == ("['b']", "[a]", "c")


@pytest.mark.parametrize("text_type", [pa.string_view(), pa.large_string()])
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(["a", "b"] * 10, pa.string_view()), ("a", "b")),
        (pa.array(["a", "b"] * 10, pa.large_string()), ("a", "b")),
        (pa.array(["a", "b"] * 10).dictionary_encode(), ("a", "b")),
        (pa.array([True, False] * 10), ("False", "True")),
        (pa.array([1, 2] * 10, pa.decimal128(3, 1)), ("1", "2")),
        (pa.array([1, 2] * 10, pa.uint8()), ("1", "2")),
    ],
)
def test_arrow_types_of_texts_and_labels(text_type, labels, names):
    texts = pa.array([*(f"text {i}" for i in range(19)), None], text_type)
    corpus = load_corpus(Dataset(pa.table({"text": texts, "label": labels})))
    assert corpus.label_names == names
    found = {
        text: label for rows in corpus.splits.values() for text, label in zip(rows["text"], rows["labels"], strict=True)
    }
    assert len(found) == 19 and found["text 2"] == names.index(str(labels[2].as_py()).removesuffix(".0"))


@pytest.mark.parametrize(
    "values",
    [
        [[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, None, 0]],
        [[0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, float("nan"), 0.0]],
        [[False, True, True], [True, True, False], [False, False, False], [True, None, False]],
        [["0", "1", "1.0"], ["1", "True", "0"], ["false", "0", "0"], ["1", "", "0"]],
    ],
)
def test_several_label_columns_are_a_multi_label_classification(values):
    rows = [
        {"text": f"text {i}"} | dict(zip(["rude", "angry", "spam"], row, strict=True)) for i, row in enumerate(values)
    ]
    for row in rows:  # the types of a column do not matter to the others
        row["spam"] = str(row["spam"])
    corpus = load_corpus({"train": rows, "validation": rows[:2]}, label_column=["rude", "angry", "spam"])
    assert (corpus.problem_type, corpus.label_names) == ("multi_label_classification", ("rude", "angry", "spam"))
    assert labels_of(corpus) == {"text 0": [0, 1, 1], "text 1": [1, 1, 0], "text 2": [0, 0, 0]}
    notes = " ".join(corpus.notes)
    assert "Skipped 1 row of the train split of the dictionary without a label." in notes
    assert "rude 1, angry 2, spam 1" in notes and "labels are in 'rude, angry, spam'" in notes


def test_columns_with_one_label_per_row_may_be_classes():
    rows = [{"text": f"text {i}", "a": i % 2, "b": 1 - i % 2} for i in range(20)]
    assert load_corpus(rows, label_column=["a", "b"]).problem_type == "multi_label_classification"
    corpus = load_corpus(
        {"train": rows, "validation": rows}, label_column=["a", "b"], problem_type="single_label_classification"
    )
    assert corpus.label_names == ("a", "b") and corpus.splits["train"]["labels"][:4] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "b"], "^Column 'b' of the train split of the list has the value '2' in row 3; each of several"),
        (["a", "z"], "^The list has no column 'z'; its columns are: text, a, b"),
        (["a", "a"], "^label_column names 'a' 2 times"),
        (["a", "text"], "^Column 'text' of the list cannot be both the text and a label column"),
    ],
)
def test_unusable_label_columns_give_one_sentence(columns, message):
    rows = [{"text": "x", "a": 0, "b": 1}, {"text": "y", "a": 1, "b": None}, {"text": "z", "a": 1, "b": 2}]
    with pytest.raises(ValueError, match=message):
        load_corpus(rows, label_column=columns)


def test_one_label_column_may_be_given_in_a_list():
    assert load_corpus({"train": rows_of(["a", "b"]), "dev": rows_of(["a"])}, label_column=["label"]).label_names == (
        "a",
        "b",
    )
