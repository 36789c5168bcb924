import json

import datasets
import pandas as pd
import pytest
from helpers import tiny_corpus, write_splits

from hf_lstm.data.corpus import load_corpus
from hf_lstm.data.unlabelled import load_texts, unlabelled_texts


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl"])
def test_texts_of_a_file_are_split_into_train_and_validation_without_blank_ones(tmp_path, name, streaming):
    texts = [f"text {i}" for i in range(40)]
    if name == "a.csv":
        lines = ["id,text", *(f"{i},{text}" for i, text in enumerate(texts)), '40," "']
    else:
        lines = [json.dumps({"id": 1, "text": text}) for text in [*texts, " "]] if "json" in name else [*texts, " "]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    splits, (note,) = load_texts(tmp_path / name, validation_texts=3, streaming=streaming)
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
def test_texts_of_the_test_split_are_left_out(tmp_path, streaming):
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
    texts, notes = load_texts(both, streaming=streaming)
    assert sorted(row["text"] for row in texts["train"]) == [f"train {i}" for i in range(4)]
    assert streaming or "4 for training" in notes[0]
    assert streaming or notes[1] == "Left out 3 texts that also occur in validation or test."
    same = write_splits(tmp_path / "s", train=splits["test"], test=splits["test"])
    with pytest.raises(ValueError, match="Every training text of .* also occurs in its validation or test"):
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
        ({"train": [{"words": "a"}] * 3}, {}, "no column with a usual text name; set text_column"),
        ({"train": [{"text": 1.5}] * 3}, {}, "Column 'text' of .* holds 1.5, not a text"),
        ({"test": [{"text": "a"}]}, {}, "has no texts to train on, only test"),
        ({"train": [{"text": " "}] * 3}, {}, "has 0 texts, too few to split|has no more than the 1,000 texts"),
    ],
)
def test_unusable_texts_give_one_sentence(tmp_path, splits, options, sentence, streaming):
    path = write_splits(tmp_path / "c", **splits)
    with pytest.raises(ValueError, match=sentence) as error:
        load_texts(path, streaming=streaming, **options)
    assert "\n" not in str(error.value)


def test_one_text_is_too_few_to_split(tmp_path):
    with pytest.raises(ValueError, match="has 1 text, too few to split"):
        load_texts(write_splits(tmp_path / "c", train=[{"text": "a"}]))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("convert", [pd.DataFrame, datasets.Dataset.from_list, list])
def test_tables_in_memory_give_their_texts(convert, streaming):
    rows = [{"text": f"text {i}", "id": i} for i in range(20)]
    for data in (convert(rows), {"train": convert(rows[:12]), "extra": convert(rows[12:])}):
        splits, notes = load_texts(data, validation_texts=2, streaming=streaming)
        assert isinstance(splits, datasets.IterableDatasetDict if streaming else datasets.DatasetDict)
        found = [row["text"] for split in ("train", "validation") for row in splits[split]]
        assert sorted(found) == sorted(row["text"] for row in rows)
        assert ("streamed" if streaming else "18 for training, 2 for validation") in notes[0]


def test_an_iterable_dataset_is_streamed():
    rows = datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(9)]}).to_iterable_dataset()
    splits, _ = load_texts(rows, validation_texts=2)
    assert isinstance(splits, datasets.IterableDatasetDict)
    assert [row["text"] for row in splits["validation"]] == ["text 0", "text 1"]
    assert sorted(row["text"] for row in splits["train"]) == [f"text {i}" for i in range(2, 9)]


def test_texts_for_teachers(tmp_path):
    corpus = tiny_corpus()
    (tmp_path / "texts.txt").write_text("one film\ntwo films\n")
    assert unlabelled_texts(corpus, None) == unlabelled_texts(corpus, "none") == (None, [])
    texts, notes = unlabelled_texts(corpus, str(tmp_path / "texts.txt"))
    assert sorted(texts["text"]) == ["one film", "two films"]
    assert "texts.txt" in notes[0] and notes[-1].startswith("Teachers label all 2 of these texts")


def test_texts_for_teachers_are_read_with_the_options_of_files(tmp_path):
    (tmp_path / "texts.csv").write_bytes("id^words\n1^caf\xe9, one\n2^two\n".encode("cp1252"))
    options = {"text_column": "words", "separator": "^", "encoding": "cp1252"}
    texts, _ = unlabelled_texts(tiny_corpus(), str(tmp_path / "texts.csv"), **options)
    assert sorted(texts["text"]) == ["caf\xe9, one", "two"]
    (tmp_path / "texts.txt").write_text("one film\ntwo films\n")
    texts, _ = unlabelled_texts(tiny_corpus(), str(tmp_path / "texts.txt"), text_column="words")
    assert sorted(texts["text"]) == ["one film", "two films"]
