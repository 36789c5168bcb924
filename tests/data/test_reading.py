import json

import datasets
import huggingface_hub
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub.errors import RepositoryNotFoundError

from hf_lstm.data.files import stream_file
from hf_lstm.data.reading import read_source


def test_folders(tmp_path):
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{name},1\n")
    splits = read_source(str(tmp_path))
    assert {name: rows["text"][0] for name, rows in splits.items()} == {
        "train": "train", "validation": "dev", "test": "test"
    }  # fmt: skip
    splits["train"].save_to_disk(str(tmp_path / "saved"))
    assert read_source(str(tmp_path / "saved"))["train"].to_list() == [{"text": "train", "label": "1"}]


@pytest.mark.parametrize("source", ["./missing", "missing.csv", "a/b/c", "not a name"])
def test_missing_paths_are_named(source):
    with pytest.raises(FileNotFoundError, match=source):
        read_source(source)
    with pytest.raises(FileNotFoundError, match=source):
        stream_file(source)


def test_an_unreachable_hub_gives_one_sentence_without_retries(monkeypatch):
    calls = []

    def refuse(*args, **kwargs):
        calls.append(args)
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refuse)
    with pytest.raises(ConnectionError) as error:
        read_source("someone/corpus")
    assert len(calls) == 1  # no retries
    for part in ("someone/corpus", "could not be reached", "no route to host", "local file or folder", "bundled"):
        assert part in str(error.value)
    assert "unset HF_HUB_OFFLINE to download it" in str(error.value)  # tests set it


def test_an_unknown_hub_dataset(monkeypatch):
    def unknown(*args, **kwargs):
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unknown)
    with pytest.raises(ValueError, match="someone/corpus is not a file or folder, and the Hub has no dataset"):
        read_source("someone/corpus")


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_streams_give_the_rows_of_the_table_in_each_pass(tmp_path, ending):
    path = tmp_path / "c" / f"train.{ending}"
    path.parent.mkdir()
    rows = [{"text": f"text {i}", "label": f"l{i}"} for i in range(5)]
    if ending in ("csv", "tsv"):
        pd.DataFrame(rows).to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    elif ending == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        path.write_text(json.dumps(rows) if ending == "json" else "\n".join(map(json.dumps, rows)))
    for source in (path, path.parent):
        streams = read_source(str(source), labelled=False, streaming=True)
        assert isinstance(streams, datasets.IterableDatasetDict) and list(streams) == ["train"]
        for _ in range(2):
            assert [{key: row[key] for key in ("text", "label")} for row in streams["train"]] == rows


def test_folders_of_lines_stream_their_splits(tmp_path):
    for name in ("train", "dev"):
        (tmp_path / f"{name}.txt").write_text(f"{name} one\n{name} two\n")
    streams = read_source(str(tmp_path), labelled=False, streaming=True)
    assert {name: [row["text"] for row in rows] for name, rows in streams.items()} == {
        "train": ["train one", "train two"], "validation": ["dev one", "dev two"]
    }  # fmt: skip


def test_folders_of_save_to_disk_are_streamed(tmp_path):
    rows = datasets.Dataset.from_dict({"text": ["a", "b"]})
    datasets.DatasetDict(train=rows, val=rows).save_to_disk(str(tmp_path / "saved"))
    streams = read_source(str(tmp_path / "saved"), streaming=True)
    assert isinstance(streams, datasets.IterableDatasetDict)
    assert {name: [row["text"] for row in rows] for name, rows in streams.items()} == {
        "train": ["a", "b"], "validation": ["a", "b"]
    }  # fmt: skip


def test_empty_and_missing_files_are_not_streamed(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    for source, error in (("empty.txt", ValueError), ("absent.txt", FileNotFoundError)):
        with pytest.raises(error, match=source):
            read_source(str(tmp_path / source), labelled=False, streaming=True)


def test_two_names_of_the_same_split_are_refused(tmp_path):
    rows = datasets.Dataset.from_dict({"text": ["a"]})
    datasets.DatasetDict(train=rows, val=rows, dev=rows).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match="several splits called 'validation' or similar; remove all but one"):
        read_source(tmp_path / "saved")


CONFIGS = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data.*
---
"""


@pytest.mark.parametrize("ending", ["arrow", "parquet", "csv"])
def test_folders_with_the_same_name_and_different_data_are_distinguished(tmp_path, ending):
    for text in ("one", "two"):
        folder = tmp_path / text / "same"
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(CONFIGS)
        table = pa.table({"text": [text]})
        if ending == "arrow":
            with pa.OSFile(str(folder / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table)
        elif ending == "parquet":
            pq.write_table(table, folder / "data.parquet")
        else:
            table.to_pandas().to_csv(folder / "data.csv", index=False)
        for streaming in (False, True):
            rows = read_source(folder, streaming=streaming)["train"]
            assert [row["text"] for row in rows] == [text]


def test_reading_draws_no_bars_into_a_log_file(tmp_path, capsys):
    pd.DataFrame({"text": ["a"], "label": ["b"]}).to_csv(tmp_path / "bars.csv", index=False)
    pd.DataFrame({"text": ["a"], "label": ["b"]}).to_parquet(tmp_path / "bars.parquet")
    datasets.enable_progress_bars()
    for name in ("bars.csv", "bars.parquet"):
        assert len(read_source(tmp_path / name)["train"]) == 1
    assert capsys.readouterr().err == ""
    assert not datasets.utils.are_progress_bars_disabled()


def test_the_bundled_reviews_and_tables_are_read_like_files():
    assert {split: len(rows) for split, rows in read_source(None).items()} == {
        "train": 8000, "validation": 1000, "test": 2000
    }  # fmt: skip
    streams = read_source([{"text": "a"}], streaming=True)
    assert isinstance(streams, datasets.IterableDatasetDict) and list(streams["train"]) == [{"text": "a"}]


def write_class_folders(folder, **classes):
    for name, texts in classes.items():
        (folder / name).mkdir(parents=True)
        for number, text in enumerate(texts):
            (folder / name / f"{number}_7.txt").write_text(text)


def test_one_folder_per_class(tmp_path):
    write_class_folders(tmp_path / "one", pos=["good\nfilm", "great"], neg=["bad"])
    assert read_source(tmp_path / "one")["train"].to_list() == [
        {"text": "bad", "label": "neg"},
        {"text": "good\nfilm", "label": "pos"},
        {"text": "great", "label": "pos"},
    ]
    for split in ("train", "test"):
        write_class_folders(tmp_path / "two" / split, pos=[f"{split} good"], neg=[f"{split} bad"], unsup=["?"])
        (tmp_path / "two" / split / "urls.txt").write_text("http://example.org")
    splits = read_source(tmp_path / "two")
    assert {split: rows.to_list() for split, rows in splits.items()} == {
        "train": [{"text": "train bad", "label": "neg"}, {"text": "train good", "label": "pos"}],
        "test": [{"text": "test bad", "label": "neg"}, {"text": "test good", "label": "pos"}],
        "unsupervised": [{"text": "?", "label": None}] * 2,
    }


def test_folders_of_splits_are_not_classes(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "rows.txt").write_text(f"__label__a {split}\n")
    assert {split: rows["text"][:] for split, rows in read_source(tmp_path).items()} == {
        "train": ["train"], "test": ["test"]
    }  # fmt: skip


def test_folders_of_spreadsheets_and_of_several_formats(tmp_path):
    pytest.importorskip("openpyxl")
    notes, folder = [], tmp_path / "c"
    folder.mkdir()
    pd.DataFrame({"text": ["a"], "label": ["x"]}).to_excel(folder / "train.xlsx", index=False)
    assert read_source(folder, notes=notes)["train"].to_list() == [{"text": "a", "label": "x"}]
    (folder / "test.csv").write_text("text,label\nb,y\n")
    splits = read_source(folder, notes=notes)
    assert {split: rows["text"][:] for split, rows in splits.items()} == {"train": ["a"], "test": ["b"]}
    assert notes == []


def test_files_of_a_folder_that_belong_to_no_split_are_named(tmp_path):
    notes, folder = [], tmp_path / "c"
    (folder / ".cache").mkdir(parents=True)
    for name in ("train.csv", "more.csv", "old.xlsx", ".cache/b.csv", "README.md"):
        (folder / name).write_text("text,label\na,x\n" if name.endswith("csv") else "")
    assert len(read_source(folder, notes=notes)["train"]) == 1
    assert notes == [f"Did not read more.csv, old.xlsx in {folder}."]


def test_a_folder_without_data_files_says_what_to_add(tmp_path):
    for name in ("notes.docx", "page.html"):
        with pytest.raises(ValueError, match=f"{tmp_path.name} has no data files; add files such as train.csv"):
            read_source(tmp_path)
        (tmp_path / name).write_text("text")


def test_splits_that_a_card_declares_are_not_replaced_by_others(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x\n")
    card = "---\nconfigs:\n- config_name: one\n  data_files:\n  - split: train\n    path: absent.csv\n---\n"
    (tmp_path / "README.md").write_text(card)
    with pytest.raises(ValueError, match=r"absent.csv"):
        read_source(tmp_path)
    (tmp_path / "README.md").unlink()
    (tmp_path / "test.jsonl").write_text('{"text": "b", "label": "y"}\n')
    assert {split: len(rows) for split, rows in read_source(tmp_path).items()} == {"train": 1, "test": 1}
    with pytest.raises(ValueError, match="same data file format"):
        read_source(tmp_path, config_name="other")


def test_a_folder_with_one_text_that_is_no_data_has_no_data_files(tmp_path):
    (tmp_path / "notes.md").write_text("text")
    with pytest.raises(ValueError, match=f"{tmp_path.name} has no data files; add files such as train.csv"):
        read_source(tmp_path)
