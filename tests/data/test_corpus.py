import json

import datasets
import numpy as np
import pytest
from helpers import rows_of, three_splits, write_splits

from hf_lstm.data.batching import tokenize_corpus
from hf_lstm.data.columns import find_column
from hf_lstm.data.corpus import load_corpus
from hf_lstm.data.unlabelled import load_texts
from hf_lstm.text.tokenization import train_tokenizer


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
    corpus = load_corpus(write_splits(tmp_path / "c", train=rows, test=rows[:5]))
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
    path = write_splits(tmp_path / "bad corpus", **splits)
    with pytest.raises(ValueError) as error:
        load_corpus(path)
    message = str(error.value)
    assert path in message and "\n" not in message and message.endswith(".")
    for part in parts:
        assert part.lower() in message.lower()


def test_no_train_split(tmp_path):
    with pytest.raises(ValueError, match="has no train split, only test"):
        load_corpus(write_splits(tmp_path / "c", test=rows_of(["a", "b"])))


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


def test_splits_without_labels_are_kept_for_a_teacher(tmp_path):
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
        assert note.startswith("Kept" if texts else "Put aside")
        assert not texts or corpus.unlabelled.column_names == ["text"]


def test_class_that_is_minus_one_is_no_label(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])}
    )

    def split(texts, labels):
        return datasets.Dataset.from_dict({"text": texts, "label": labels}, features)

    splits = {name: split(["x", "y"] * 4, [0, 1] * 4) for name in ("train", "test")}
    datasets.DatasetDict(**splits, unsupervised=split(["u", "v"], [-1, -1])).save_to_disk(str(tmp_path / "imdb"))
    corpus = load_corpus(str(tmp_path / "imdb"))
    assert corpus.unlabelled["text"][:] == ["u", "v"] and "u" not in corpus.splits["train"]["text"][:]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl"])
def test_texts_of_a_file_are_split_in_two_and_blank_ones_left_out(tmp_path, name, streaming):
    texts = [f"text {i}" for i in range(40)]
    if name == "a.csv":
        lines = ["id,text", *(f"{i},{text}" for i, text in enumerate(texts)), '40," "']
    else:
        lines = [json.dumps({"id": 1, "text": text}) for text in [*texts, " "]] if "json" in name else [*texts, " "]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    splits, (note,) = load_texts(str(tmp_path / name), validation_texts=3, streaming=streaming)
    found = {split: [row["text"] for row in rows] for split, rows in splits.items()}
    assert list(found) == ["train", "validation"] and name in note
    assert len(found["validation"]) == 3 and sorted(found["train"] + found["validation"]) == sorted(texts)
    assert all(set(row) == {"text"} for rows in splits.values() for row in rows)
    if streaming:
        assert isinstance(splits, datasets.IterableDatasetDict) and found["validation"] == texts[:3]
        assert found["train"] != texts[3:]  # in another order
        assert [row["text"] for row in splits["train"]] == found["train"]
    else:
        again, _ = load_texts(str(tmp_path / name), validation_texts=3)
        other, _ = load_texts(str(tmp_path / name), validation_texts=3, seed=1)
        assert again["validation"]["text"][:] == found["validation"] != other["validation"]["text"][:]
        assert len(load_texts(str(tmp_path / name))[0]["validation"]) == 4  # a tenth at most


@pytest.mark.parametrize("streaming", [False, True])
def test_test_split_is_never_learned_from(tmp_path, streaming):
    splits = {name: [{"text": f"{name} {i}", "label": "x"} for i in range(4)] for name in ("train", "extra", "test")}
    datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in splits.items()}).save_to_disk(
        str(tmp_path / "c")
    )
    texts, (note,) = load_texts(str(tmp_path / "c"), validation_texts=1, streaming=streaming)
    found = [row["text"] for rows in texts.values() for row in rows]
    assert sorted(found) == sorted(f"{name} {i}" for name in ("train", "extra") for i in range(4))
    assert "train, extra" in note
    twice = [*splits["train"], *splits["test"][:2], *splits["extra"][:1]]
    both = write_splits(tmp_path / "b", train=twice, validation=splits["extra"], test=splits["test"])
    texts, (note,) = load_texts(both, streaming=streaming)
    assert sorted(row["text"] for row in texts["train"]) == [f"train {i}" for i in range(4)]
    assert streaming or "4 to learn from" in note and "3 texts that also stand in validation or test left out" in note
    same = write_splits(tmp_path / "s", train=splits["test"], test=splits["test"])
    with pytest.raises(ValueError, match="Every text that .* has to learn from also stands in its validation or test"):
        load_texts(same, streaming=streaming)
    kept = write_splits(tmp_path / "v", train=splits["train"], validation=splits["extra"], test=splits["test"])
    texts, _ = load_texts(kept, streaming=streaming)
    assert [row["text"] for row in texts["validation"]] == [f"extra {i}" for i in range(4)]
    assert sorted(row["text"] for row in texts["train"]) == [f"train {i}" for i in range(4)]


@pytest.mark.parametrize("streaming", [False, True])
def test_texts_of_the_bundled_corpus(streaming):
    corpus = load_corpus()
    texts, _ = load_texts(streaming=streaming)
    found = {split: [row["text"] for row in rows] for split, rows in texts.items()}
    assert sorted(found["train"]) == sorted(corpus.splits["train"]["text"])
    assert found["validation"] == corpus.splits["validation"]["text"][:]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("splits", "options", "sentence"),
    [
        ({"train": [{"text": "a"}] * 3}, {"validation_texts": 0}, "validation_texts is 0; it must be at least 1"),
        ({"train": [{"text": "a"}] * 3}, {"text_column": "nope"}, "has no column 'nope'; its columns are: text"),
        ({"train": [{"words": "a"}] * 3}, {}, "no column that is known to hold the text; name one as text_column"),
        ({"train": [{"text": 1.5}] * 3}, {}, "Column 'text' of .* holds 1.5, not a text"),
        ({"test": [{"text": "a"}]}, {}, "has no texts to learn from, only test"),
        ({"train": [{"text": " "}] * 3}, {}, "has 0 texts, too few to split|has no more than the 1,000 texts"),
    ],
)
def test_texts_that_cannot_be_used_are_one_sentence(tmp_path, splits, options, sentence, streaming):
    path = write_splits(tmp_path / "c", **splits)
    with pytest.raises(ValueError, match=sentence) as error:
        load_texts(path, streaming=streaming, **options)
    assert "\n" not in str(error.value)


def test_one_text_is_too_few_to_split(tmp_path):
    with pytest.raises(ValueError, match="has 1 text, too few to split"):
        load_texts(write_splits(tmp_path / "c", train=[{"text": "a"}]))
