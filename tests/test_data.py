import json

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from hf_lstm.data import find_column, load_corpus, tokenize_corpus
from hf_lstm.tokenization import train_tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def write(folder, **splits):
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder)


def rows_of(labels, column="label"):
    return [{"text": f"text {index}", column: label} for index, label in enumerate(labels)]


def labels_of(corpus, split="train"):
    return dict(zip(corpus.splits[split]["text"], corpus.splits[split]["labels"], strict=True))


def three_splits(path, train, other=None):
    other = train if other is None else other
    return load_corpus(write(path, train=train, validation=other, test=other))


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


@pytest.mark.parametrize(
    ("labels", "names", "vectors"),
    [
        ([["b", "a"], [], ["c"]], ("a", "b", "c"), [[1, 1, 0], [0, 0, 0], [0, 0, 1]]),
        ([[10], [2, 10], []], ("2", "10"), [[0, 1], [1, 1], [0, 0]]),
        ([[1, 0, 0], [1, 1, 0], [0, 0, 0]], ("0", "1", "2"), [[1, 0, 0], [1, 1, 0], [0, 0, 0]]),
    ],
)
def test_lists_become_vectors(tmp_path, labels, names, vectors):
    corpus = three_splits(tmp_path / "c", rows_of(labels, "labels"))
    assert (corpus.problem_type, corpus.label_names) == ("multi_label_classification", names)
    assert corpus.splits["test"]["labels"][:] == vectors
    assert corpus.splits["test"].features["labels"] == Sequence(Value("float32"), length=len(names))


def test_fractions_are_scores(tmp_path):
    corpus = three_splits(tmp_path / "c", rows_of([0, 1.5, -2], "score"))
    assert (corpus.problem_type, corpus.label_names) == ("regression", ("score",))
    assert labels_of(corpus) == {"text 0": 0.0, "text 1": 1.5, "text 2": -2.0}


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


def test_plain_minus_one_is_a_class_only_if_trained_on(tmp_path):
    corpus = load_corpus(write(tmp_path / "c", train=rows_of([0, 1] * 10), test=rows_of([-1] * 4)))
    assert any("has only the label -1" in note for note in corpus.notes)
    assert len(corpus.splits["train"]) + len(corpus.splits["validation"]) + len(corpus.splits["test"]) == 20


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


def test_texts_are_cleaned(tmp_path):
    rows = rows_of(["a", "b", "a"])
    for row, text in zip(rows, ["a\x00b", "\ud800 and \ud83d\ude00", "한국어 العربية ไทย"], strict=True):
        row["text"] = text
    corpus = three_splits(tmp_path / "c", rows)
    assert list(corpus.splits["train"]["text"]) == ["a b", "� and 😀", "한국어 العربية ไทย"]


def test_a_single_file_is_split_in_three(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(200)))
    first, again, other = load_corpus(str(path)), load_corpus(str(path)), load_corpus(str(path), seed=1)
    texts = {split: set(rows["text"]) for split, rows in first.splits.items()}
    assert {split: len(found) for split, found in texts.items()} == {"train": 160, "validation": 20, "test": 20}
    assert set.union(*texts.values()) == {f"t{i}" for i in range(200)}
    for rows in first.splits.values():
        assert np.bincount(rows["labels"])[1] / len(rows) == 0.25
    assert texts["test"] == set(again.splits["test"]["text"]) != set(other.splits["test"]["text"])
    assert sum("split 20 rows off train with the same share" in note for note in first.notes) == 2


def test_a_test_split_is_never_cut_from_and_rare_classes_can_be_split(tmp_path):
    rows = rows_of(["a"] * 9 + ["b"] * 10 + ["once"])
    corpus = load_corpus(write(tmp_path / "c", train=rows, test=rows[:5]))
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 18, "validation": 2, "test": 5}
    assert any("at random" in note for note in corpus.notes)
    assert any("Of 5 test texts, 5 also occur" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("train", "test", "parts"),
    [
        (rows_of(["a", "b"]), [*rows_of([None]), *rows_of(["a", "zzz"])], ["test split", "'zzz'", "row 3"]),
        (rows_of([["a"], ["b", "a"]]), rows_of([["a"], ["a", "q"]]), ["test split", "'q'", "row 2"]),
        (rows_of(["a", "a"]), None, ["column 'label'", "one class only", "(a)"]),
        (rows_of([None, None]), None, ["column 'label'", "no label"]),
        (rows_of([[0.5], [0.1]]), None, ["column 'label'", "fractions"]),
        (rows_of(range(3000)), None, ["3,000 different values", "label_column"]),
        ([{"text": 1.5, "label": "a"}, {"text": 2, "label": "b"}], None, ["column 'text'", "not text", "text_column"]),
        (rows_of(["a", "b"]), [{"words": "x", "label": "a"}], ["test split", "no column 'text'", "words"]),
        ([{"words": "x", "label": "a"}], None, ["text_column", "words, label"]),
        ([{"text": "x", "coarse_label": "a", "fine_label": "b"}], None, ["several", "coarse_label, fine_label"]),
        (rows_of(["a", "b"]), None, ["2 rows", "too few"]),
    ],
)
def test_unusable_corpora_are_one_sentence(tmp_path, train, test, parts):
    splits = {"train": train} if test is None else {"train": train, "test": test}
    path = write(tmp_path / "bad corpus", **splits)
    with pytest.raises(ValueError) as error:
        load_corpus(path)
    message = str(error.value)
    assert path in message and "\n" not in message and message.endswith(".")
    for part in parts:
        assert part.lower() in message.lower()


def test_no_train_split(tmp_path):
    with pytest.raises(ValueError, match="has no train split, only test"):
        load_corpus(write(tmp_path / "c", test=rows_of(["a", "b"])))


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


def test_bundled_corpus():
    corpus = load_corpus()
    assert corpus.label_names == ("negative", "positive")
    assert list(corpus.splits) == ["train", "validation", "test"]


def test_tokenizing_truncates_training_texts_only(tmp_path):
    rows = [{"text": "good film " * 10, "label": "a"}, {"text": "", "label": "b"}]
    splits = three_splits(tmp_path / "c", rows).splits
    tokenizer = train_tokenizer(splits["train"]["text"], kind="word", vocab_size=20, show_progress=False)
    tokenized = tokenize_corpus(splits, tokenizer, max_length=5)
    whole = tokenizer("good film " * 10)["input_ids"]
    assert tokenized["train"].column_names == ["labels", "input_ids", "length"]
    assert list(tokenized["train"]["length"]) == [5, len(tokenizer("")["input_ids"])]
    assert tokenized["train"]["input_ids"][0] == whole[:5]
    assert tokenized["test"]["input_ids"][0] == whole and len(whole) > 20
    assert list(tokenized["test"]["labels"]) == [0, 1]
    again = tokenize_corpus(splits, tokenizer, max_length=5)
    assert [rows.cache_files for rows in again.values()] == [rows.cache_files for rows in tokenized.values()]
