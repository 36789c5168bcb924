import json

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers import rows_of, three_splits, write_splits

from hf_lstm.data.corpus import load_corpus, load_given_splits


def test_texts_are_cleaned(tmp_path):
    rows = rows_of(["a", "b", "a"])
    for row, text in zip(rows, ["a\x00b", "\ud800 and \ud83d\ude00", "한국어 العربية ไทย"], strict=True):
        row["text"] = text
    corpus = three_splits(tmp_path / "c", rows)
    assert list(corpus.splits["train"]["text"]) == ["a b", "� and 😀", "한국어 العربية ไทย"]


def test_a_single_file_is_split_into_train_validation_and_test(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(200)))
    first, again, other = load_corpus(str(path)), load_corpus(str(path)), load_corpus(str(path), seed=1)
    texts = {split: set(rows["text"]) for split, rows in first.splits.items()}
    assert {split: len(found) for split, found in texts.items()} == {"train": 160, "validation": 20, "test": 20}
    assert set.union(*texts.values()) == {f"t{i}" for i in range(200)}
    for rows in first.splits.values():
        assert np.bincount(rows["labels"])[1] / len(rows) == 0.25
    assert texts["test"] == set(again.splits["test"]["text"]) != set(other.splits["test"]["text"])
    assert sum("20 rows of train became the" in note and "same class proportions" in note for note in first.notes) == 2


def test_validation_rows_come_from_train_even_if_a_class_is_too_rare_to_stratify(tmp_path):
    rows = rows_of(["a"] * 9 + ["b"] * 10 + ["once"])
    corpus = load_corpus(write_splits(tmp_path / "c", train=rows, test=rows[:5]))
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 18, "validation": 2, "test": 5}
    assert any("at random" in note for note in corpus.notes)
    assert any("5 of 5 test texts also occur in train or validation" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("shared", "sentence"),
    [
        (0, "No test text occurs in train or validation."),
        (1, "1 of 4 test texts also occurs in train or validation; it is kept."),
        (2, "2 of 4 test texts also occur in train or validation; they are kept."),
    ],
)
def test_test_texts_of_the_training_are_counted(tmp_path, shared, sentence):
    train = [{"text": f"train {i}", "label": "ab"[i % 2]} for i in range(20)]
    test = [{"text": f"train {i}" if i < shared else f"test {i}", "label": "a"} for i in range(4)]
    assert sentence in load_corpus(write_splits(tmp_path / "c", train=train, test=test)).notes


@pytest.mark.parametrize(
    ("train", "test", "parts"),
    [
        (rows_of(["a", "b"]), [*rows_of([None]), *rows_of(["a", "zzz"])], ["test split", "'zzz'", "row 3"]),
        (rows_of([["a"], ["b", "a"]]), rows_of([["a"], ["a", "q"]]), ["test split", "'q'", "row 2"]),
        (rows_of(["a", "a"]), None, ["column 'label'", "one class only", "(a)"]),
        (rows_of([None, None]), None, ["column 'label'", "no label", "label_column"]),
        (rows_of([[0.5], [0.1]]), None, ["column 'label'", "fractions"]),
        (rows_of(range(3000)), None, ["3,000 different values", "label_column"]),
        ([{"text": 1.5, "label": "a"}, {"text": 2, "label": "b"}], None, ["column 'text'", "not text", "text_column"]),
        (rows_of(["a", "b"]), [{"words": "x", "label": "a"}], ["test split", "no column 'text'", "words"]),
        ([{"words": "x", "label": "a"}], None, ["text_column", "words, label"]),
        ([{"text": "x", "coarse_label": "a", "fine_label": "b"}], None, ["several", "coarse_label, fine_label"]),
        (rows_of(["a", "b"]), None, ["2 rows", "too few"]),
    ],
)
def test_unusable_data_gives_one_sentence(tmp_path, train, test, parts):
    splits = {"train": train} if test is None else {"train": train, "test": test}
    path = write_splits(tmp_path / "bad corpus", **splits)
    with pytest.raises(ValueError) as error:
        load_corpus(path)
    message = str(error.value)
    assert (
        path in message and message[0].isupper() | (message[0] == "/") and "\n" not in message and message.endswith(".")
    )
    for part in parts:
        assert part.lower() in message.lower()


def test_no_train_split(tmp_path):
    with pytest.raises(ValueError, match="has no train split, only test"):
        load_corpus(write_splits(tmp_path / "c", test=rows_of(["a", "b"])))


def test_bundled_corpus():
    corpus = load_corpus()
    assert corpus.label_names == ("negative", "positive")
    assert list(corpus.splits) == ["train", "validation", "test"]


def test_splits_without_labels_are_kept_as_unlabelled_texts(tmp_path):
    labelled = rows_of(["a", "b"] * 3)
    bare = [{"text": "new 1"}, {"text": ""}, {"text": "new 2"}, {"text": None}]
    blank = [{"text": "new 3", "label": None}]
    usual = {name: datasets.Dataset.from_list(labelled) for name in ("train", "validation", "test")}
    for name, rows in (("unsupervised", bare), ("extra", blank), ("more", labelled), ("other", [{"words": "x"}])):
        splits = datasets.DatasetDict(**usual, **{name: datasets.Dataset.from_list(rows)})
        splits.save_to_disk(str(tmp_path / name))
    expected = {"unsupervised": ["new 1", "new 2"], "extra": ["new 3"], "more": None, "other": None}
    for name, texts in expected.items():
        corpus = load_corpus(str(tmp_path / name))
        assert list(corpus.splits) == ["train", "validation", "test"]
        assert (corpus.unlabelled and corpus.unlabelled["text"][:]) == texts
        (note,) = [note for note in corpus.notes if f"the split '{name}'" in note]
        assert note.startswith("Kept" if texts else "Did not use")
        assert not texts or corpus.unlabelled.column_names == ["text"]


def test_class_id_of_minus_one_is_a_missing_label(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])}
    )

    def split(texts, labels):
        return datasets.Dataset.from_dict({"text": texts, "label": labels}, features)

    splits = {name: split(["x", "y"] * 4, [0, 1] * 4) for name in ("train", "test")}
    datasets.DatasetDict(**splits, unsupervised=split(["u", "v"], [-1, -1])).save_to_disk(str(tmp_path / "imdb"))
    corpus = load_corpus(str(tmp_path / "imdb"))
    assert corpus.unlabelled["text"][:] == ["u", "v"] and "u" not in corpus.splits["train"]["text"][:]


def as_lists(corpus):
    return {split: list(zip(rows["text"], rows["labels"], strict=True)) for split, rows in corpus.splits.items()}


ROWS = [{"text": f"text {i}", "label": "yes" if i % 3 else "no", "id": i} for i in range(30)]


def pandas_frame(rows, **options):
    frame = pd.DataFrame(rows, **options)
    frame.index = [7] * len(frame)
    return frame.astype({"label": "category", "text": "string"})


def polars_frame(rows):
    pl = pytest.importorskip("polars")
    return pl.DataFrame(rows).with_columns(pl.col("label").cast(pl.Categorical))


TABLES = {
    "DataFrame": pandas_frame,
    "polars DataFrame": polars_frame,
    "Table": lambda rows: pa.Table.from_pylist(rows),
    "Dataset": datasets.Dataset.from_list,
    "IterableDataset": lambda rows: datasets.Dataset.from_list(rows).to_iterable_dataset(),
    "list": list,
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_gives_the_corpus_of_the_same_file(tmp_path, kind):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    expected = as_lists(load_corpus(path))
    assert {split: len(rows) for split, rows in expected.items()} == {"train": 24, "validation": 3, "test": 3}
    corpus = load_corpus(TABLES[kind](ROWS))
    assert as_lists(corpus) == expected and corpus.label_names == ("no", "yes")
    assert corpus.notes[0] == f"Read the {kind.split()[-1]}: train 30 rows."
    for rows in corpus.splits.values():
        assert rows.column_names == ["text", "labels"]


@pytest.mark.parametrize("kind", TABLES)
def test_a_dictionary_of_tables_gives_the_splits(kind):
    convert = TABLES[kind]
    corpus = load_corpus({"train": convert(ROWS[:20]), "val": convert(ROWS[20:25]), "test": convert(ROWS[25:])})
    found = as_lists(corpus)
    assert list(found) == ["train", "validation", "test"]
    assert [text for rows in found.values() for text, _ in rows] == [row["text"] for row in ROWS]
    assert [label for rows in found.values() for _, label in rows] == [int(i % 3 > 0) for i in range(30)]


def test_a_dataset_dict_keeps_the_names_of_its_classes():
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["spam", "ham", "never"])}
    )
    rows = datasets.Dataset.from_dict({"text": list("abcd"), "label": [1, 0, 1, 0]}, features=features)
    data = datasets.DatasetDict(train=rows, validation=rows)
    for splits in (data, datasets.IterableDatasetDict({name: rows.to_iterable_dataset() for name in data})):
        corpus = load_corpus(splits)
        assert corpus.label_names == ("spam", "ham", "never")
        assert as_lists(corpus)["train"] == [("a", 1), ("b", 0), ("c", 1), ("d", 0)]
    assert list(data) == ["train", "validation"] and data["train"].column_names == ["text", "label"]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            pd.DataFrame({"text": ["a"], "y": [1]}),
            ValueError,
            "^The DataFrame has no column with a usual label name",
        ),
        ({"test": ROWS}, ValueError, "^The dictionary has no train split, only test"),
        (
            {"text": ["a"], "label": ["b"]},
            TypeError,
            "^The text split of the dictionary cannot be read as a table",
        ),
        ({"val": ROWS, "dev": ROWS}, ValueError, "^The dictionary has several splits called 'validation'"),
        ({}, ValueError, "^The dictionary has no splits"),
        (3, TypeError, "^The int cannot be read as a table"),
        ({"train": ROWS, "test": [{"text": "a", "label": "maybe"}]}, ValueError, r"label 'maybe' \(row 1\)"),
    ],
)
def test_unusable_tables_give_one_sentence(data, error, message):
    with pytest.raises(error, match=message) as raised:
        load_corpus(data)
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")


def test_a_label_column_with_values_of_several_types_has_text_labels(tmp_path):
    rows = [{"text": f"text {i}", "label": [1, "1", "x", True, 2.5][i % 5]} for i in range(50)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for data, found in ((path, "has whole numbers and text; all"), (rows, "has values of several types; all")):
        corpus = load_corpus(data)
        assert corpus.label_names == ("1", "2.5", "true", "x")
        (note,) = [note for note in corpus.notes if note.startswith("Column 'label' of ")]
        assert note.endswith(f"{found} its values are read as text.")


def test_a_column_that_is_not_used_may_have_values_of_any_type(tmp_path):
    rows = [{"text": f"text {i}", "label": "ab"[i % 2], "x": [1, None, "a", [2], {"y": 1}][i % 5]} for i in range(50)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for data in (path, rows, pd.DataFrame(rows), pd.DataFrame(rows).assign(z=[object()] * 50)):
        corpus = load_corpus(data)
        assert sum(map(len, corpus.splits.values())) == 50 and any("'x'" in note for note in corpus.notes)
    assert any(note.startswith("Did not read column 'z' of the DataFrame; its type") for note in corpus.notes)


def test_tables_have_no_configurations():
    with pytest.raises(ValueError, match="The list has no configurations; config_name='sst2' applies to"):
        load_corpus(ROWS, config_name="sst2")


@pytest.mark.parametrize("fraction", [0, 0.5, -1])
def test_validation_fraction_is_checked(fraction):
    with pytest.raises(ValueError, match="must be between 0 and 0.5"):
        load_corpus(ROWS, validation_fraction=fraction)


def test_nested_fields_have_dotted_names(tmp_path):
    rows = [{"id": i, "ticket": {"subject": f"text {i}", "verdict": "ab"[i % 2]}} for i in range(20)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for data in (path, rows, datasets.Dataset.from_list(rows)):
        corpus = load_corpus(data, text_column="ticket.subject", label_column="ticket.verdict")
        found = {pair for pairs in as_lists(corpus).values() for pair in pairs}
        assert found == {(f"text {i}", i % 2) for i in range(20)}
    with pytest.raises(ValueError, match="Its columns are: id, ticket.subject, ticket.verdict"):
        load_corpus(path)


def test_given_splits_keep_all_rows_and_their_positions(tmp_path):
    rows = rows_of(["a", "b", "a", "b"] * 5)
    rows[2]["text"] = rows[3]["label"] = None
    path = write_splits(tmp_path / "one", train=rows)
    corpus, positions = load_given_splits(path, text_column="text")
    assert list(corpus.splits) == ["train"] and positions.tolist() == [0, 1, *range(4, 20)]
    assert corpus.splits["train"]["text"][:3] == ["text 0", "text 1", "text 4"]
    assert len(load_corpus(path).splits["train"]) == 14  # two rows of 18 each for validation and test
