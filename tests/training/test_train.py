import json
from pathlib import Path

import datasets
import pandas as pd
import pytest
from helpers import tiny_corpus
from transformers import Trainer

from hf_lstm import load_classifier, pretrain, train_classifier
from hf_lstm.training.arguments import ClassifierTrainingArguments
from hf_lstm.training.train import name_of, resolve_output

OPTIONS = {"num_train_epochs": 2, "hidden_size": 8, "embedding_size": 8, "baseline": False, "bf16": False}


@pytest.fixture
def table() -> pd.DataFrame:
    rows = tiny_corpus().splits["train"]
    return pd.DataFrame({"text": rows["text"][:], "label": ["good" if label else "other" for label in rows["labels"]]})


def test_a_data_frame_is_trained_on_twice_in_one_process(table, tmp_path, capsys):
    for name in ("first", "second"):
        trained = train_classifier(table, output_dir=tmp_path / name, **OPTIONS)
        assert set(trained.metrics) == {"validation", "test"} and 0 <= trained.metrics["test"]["accuracy"] <= 1
        assert trained.model.config.label2id == {"good": 0, "other": 1}
    record = json.loads((tmp_path / "second" / "metrics.json").read_text())
    assert record["training"]["command"].startswith("train_classifier(<DataFrame>, num_train_epochs=2")
    assert record["dataset"] == "dataframe" and not record["dataset_on_hub"]
    assert {"README.md", "learning_curve.png", "predictions.png"} <= {p.name for p in (tmp_path / "second").iterdir()}
    assert "Defaults for" in capsys.readouterr().out
    assert not datasets.are_progress_bars_disabled()


@pytest.mark.parametrize("given", [None, "chosen"])
def test_replacing_a_model_is_announced(tmp_path, monkeypatch, capsys, given):
    monkeypatch.chdir(tmp_path)
    args = ClassifierTrainingArguments(output_dir=given)
    _, resolved = resolve_output("reviews.csv", args)
    assert resolved.output_dir == (given or "runs/reviews") and capsys.readouterr().out == ""
    Path(resolved.output_dir).mkdir(parents=True)
    (Path(resolved.output_dir) / "config.json").write_text("{}")
    resolve_output("reviews.csv", args)
    assert f"{resolved.output_dir} has an earlier model, which this training will replace" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "sentence"), [("dvclive", "DVCLiveCallback requires dvclive"), ("nothing", "nothing is not supported")]
)
@pytest.mark.parametrize("function", [train_classifier, pretrain])
def test_a_tracker_that_is_missing_is_reported_before_texts_are_read(tmp_path, function, name, sentence):
    with pytest.raises(ValueError, match=f"`report_to` cannot be used: {sentence}"):
        function("no-file.csv", output_dir=tmp_path, report_to=name)


def test_a_file_of_the_home_folder_is_trained_on(table, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    table.to_csv(tmp_path / "opinions.csv", index=False)
    options = OPTIONS | {"num_train_epochs": "1", "cell_type": "gru", "teacher": ["linear"]}
    trained = train_classifier("~/opinions.csv", output_dir="~/run", unlabelled=Path("~/opinions.csv"), **options)
    assert trained.model.config.cell_type == "gru" and trained.folder == tmp_path / "run"
    record = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert record["dataset"] == str(tmp_path / "opinions.csv") and not record["dataset_on_hub"]
    assert "unlabelled='~/opinions.csv'" in record["training"]["command"]
    assert "Teachers label all 40 of these texts, also those for validation." in record["notes"]
    loaded = load_classifier("~/run")
    assert (
        loaded.folder == tmp_path / "run" and loaded.metrics["test"]["accuracy"] == trained.metrics["test"]["accuracy"]
    )
    options = OPTIONS | {"num_train_epochs": 1}
    tuned = train_classifier(Path("~/opinions.csv"), output_dir=tmp_path / "tuned", pretrained="~/run", **options)
    assert tuned.model.config.cell_type == "gru"


def test_invalid_calls():
    with pytest.raises(TypeError, match="did you mean 'hidden_size'"):
        train_classifier(hiden_size=8)
    with pytest.raises(TypeError, match="both `data` and `dataset`"):
        train_classifier("a.csv", dataset="b.csv")
    with pytest.raises(ValueError, match="`cell_type` must be one of 'lstm', 'gru', 'rnn', got 'gnu'"):
        train_classifier(cell_type="gnu")


def test_name_of_data(tmp_path, monkeypatch):
    (tmp_path / "reviews.v2").mkdir()
    monkeypatch.chdir(tmp_path / "reviews.v2")
    names = {"data/a.csv": "a", "a.v2.csv.gz": "a.v2", "owner/name": "name", "owner/name.v2": "name.v2"}
    names |= {".": "reviews.v2", "../reviews.v2": "reviews.v2", Path("a.jsonl"): "a", None: "sample_reviews"}
    assert {data: name_of(data) for data in names} == names
    assert name_of(pd.DataFrame()) == "dataframe"


def test_texts_in_memory_are_labelled_by_teachers(table, tmp_path, interrupt):
    options = OPTIONS | {"output_dir": tmp_path / "run", "teacher": "linear", "unlabelled": table[["text"]]}
    interrupt(table, **options)
    trained = train_classifier(table, **options, resume_from_checkpoint=True)
    record = json.loads((trained.folder / "metrics.json").read_text())
    assert "unlabelled=<DataFrame>, resume_from_checkpoint=True)" in record["training"]["command"]


@pytest.fixture
def interrupt(monkeypatch):
    """Train until all checkpoints are saved, and stop before the model is."""

    def train(data, **options) -> None:
        def stop(*args):
            raise RuntimeError("interrupted")

        with monkeypatch.context() as patched:
            patched.setattr("hf_lstm.training.records.save_classifier", stop)
            with pytest.raises(RuntimeError, match="interrupted"):
                train_classifier(data, **options)

    return train


def test_resumed_training_must_have_the_same_data_and_model(table, tmp_path, interrupt):
    options = OPTIONS | {"output_dir": tmp_path / "run", "resume_from_checkpoint": "last"}
    interrupt(table, **OPTIONS, output_dir=tmp_path / "run")
    swapped = table.assign(label=table["label"].map({"good": "other", "other": "good"}))
    with pytest.raises(ValueError, match="labels or their order are different"):
        train_classifier(swapped, **options)
    renamed = table.assign(label=table["label"].map({"good": "zero", "other": "other"}))
    with pytest.raises(ValueError, match="the labels were good, other and are now other, zero"):
        train_classifier(renamed, **options)
    with pytest.raises(ValueError, match="the data had 32 training rows and 4 validation rows and now has 31 training"):
        train_classifier(table[:-1], **options)
    with pytest.raises(ValueError, match="hidden_size was 8 and is now 9"):
        train_classifier(table, **options | {"hidden_size": 9})
    assert train_classifier(table, **options).model.config.label2id == {"good": 0, "other": 1}


def test_resumed_training_does_not_fit_its_teachers_again(table, tmp_path, interrupt, monkeypatch, capsys):
    options = OPTIONS | {"output_dir": tmp_path / "run", "teacher": "linear"}
    interrupt(table, **options)
    monkeypatch.setattr("hf_lstm.teachers.linear.LinearModel.fit", None)
    trained = train_classifier(table, **options, resume_from_checkpoint="last")
    assert "taught.parquet has the soft labels of the interrupted training, from linear." in capsys.readouterr().out
    assert trained.model.config.label2id == {"good": 0, "other": 1}


def test_a_checkpoint_in_another_folder_has_the_soft_labels_beside_it(table, tmp_path, interrupt, monkeypatch):
    options = OPTIONS | {"teacher": "linear"}
    interrupt(table, output_dir=tmp_path / "run", **options)
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    monkeypatch.setattr("hf_lstm.teachers.linear.LinearModel.fit", None)
    train_classifier(table, output_dir=tmp_path / "new", **options, resume_from_checkpoint=str(checkpoint))
    # It continues in the new folder, which must have them, too.
    soft_labels = [pd.read_parquet(tmp_path / folder / "taught.parquet") for folder in ("run", "new")]
    pd.testing.assert_frame_equal(*soft_labels)


def certain(texts):
    """A teacher that is a function."""
    return [{"good": float("good" in text), "other": float("good" not in text)} for text in texts]


def test_a_function_teaches_and_its_accuracy_is_recorded_also_when_resumed(table, tmp_path, interrupt, monkeypatch):
    options = OPTIONS | {"output_dir": tmp_path / "run", "teacher": [certain, "linear"], "augment": 2}
    interrupt(table, **options)
    with pytest.raises(ValueError, match="augment was 2 and is now 1"):
        train_classifier(table, **options | {"augment": 1}, resume_from_checkpoint="last")
    monkeypatch.setattr("hf_lstm.teachers.linear.LinearModel.fit", None)
    trained = train_classifier(table, **options, resume_from_checkpoint="last")
    record = json.loads((trained.folder / "metrics.json").read_text())
    assert "teacher=[certain, 'linear'], augment=2" in record["training"]["command"]
    (checked,) = [note for note in record["notes"] if note.startswith("Teacher function certain: accuracy ")]
    assert " on 4 validation texts (linear: " in checked
    assert any("changed texts made from 32 training texts" in note for note in record["notes"])
    assert checked in (trained.folder / "README.md").read_text()


def test_resumed_training_does_not_read_its_vectors_again(table, tmp_path, interrupt):
    words = tmp_path / "words.txt"
    words.write_text("good 1 0 0\nbad 0 1 0\nscene 0 0 1\n")
    options = OPTIONS | {"output_dir": tmp_path / "run", "vectors": str(words), "embedding_size": None}
    interrupt(table, **options)
    words.unlink()
    trained = train_classifier(table, **options, resume_from_checkpoint="last")
    assert trained.model.config.embedding_size == 3 and "scene" in trained.tokenizer.get_vocab()
    notes = json.loads((tmp_path / "run" / "metrics.json").read_text())["notes"]
    assert f"The embeddings of the interrupted training started from the vectors of {words}." in notes


def test_a_label_is_added_to_a_trained_classifier_and_earlier_rows_are_rehearsed(table, tmp_path, capsys):
    train_classifier(table, output_dir=tmp_path / "old", **OPTIONS)
    new = pd.DataFrame({"text": [f"{word} film" for word in "abcdefghij" * 2], "label": ["third", "good"] * 10})
    options = {"num_train_epochs": 1, "baseline": False, "bf16": False, "pretrained": str(tmp_path / "old")}
    tuned = train_classifier(new, output_dir=tmp_path / "new", **options)
    assert tuned.model.config.label2id == {"good": 0, "other": 1, "third": 2}
    printed = capsys.readouterr().out
    assert "kept 1 (good); kept without rows in the data 1 (other); added 1 (third)." in printed
    assert "initialised: 1 of 3 rows of the head." in printed
    table.to_csv(tmp_path / "old.csv", index=False)
    options["rehearse"] = str(tmp_path / "old.csv")
    rehearsed = train_classifier(new, output_dir=tmp_path / "rehearsed", drop_missing_labels=True, **options)
    assert rehearsed.model.config.label2id == {"good": 0, "other": 1, "third": 2}
    # 40 earlier rows without 4 test and 4 validation rows; some are equal to validation texts of either data.
    assert "from " + options["rehearse"] + " (--rehearse), with 2 labels." in capsys.readouterr().out
    dropped = train_classifier(
        new, output_dir=tmp_path / "dropped", drop_missing_labels=True, **options | {"rehearse": None}
    )
    assert dropped.model.config.label2id == {"good": 0, "third": 1}
    only = new[new["label"] == "third"]
    third = train_classifier(only, output_dir=tmp_path / "third", drop_missing_labels=True, **options)
    assert third.model.config.label2id == {"good": 0, "other": 1, "third": 2}
    with pytest.raises(ValueError, match="`--rehearse` requires `--pretrained`"):
        train_classifier(new, output_dir=tmp_path / "none", rehearse="old.csv")


def test_full_disk_keeps_the_last_complete_checkpoint(table, tmp_path, monkeypatch):
    options = OPTIONS | {"num_train_epochs": 3, "output_dir": tmp_path / "run"}
    save = Trainer._save_optimizer_and_scheduler

    def fill_disk(trainer, folder):
        if trainer.state.epoch == 2:
            raise OSError(28, "No space left on device")
        save(trainer, folder)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_save_optimizer_and_scheduler", fill_disk)
        with pytest.raises(OSError, match="The disk of .*run is full.* checkpoint-1 is complete: free some space"):
            train_classifier(table, **options)
    # 32 training rows are one batch.
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-1"]
    trained = train_classifier(table, **options, resume_from_checkpoint="last")
    history = json.loads((trained.folder / "trainer_state.json").read_text())["log_history"]
    assert [entry["step"] for entry in history if "eval_loss" in entry] == [1, 2, 3]


def test_full_disk_before_the_first_checkpoint(table, tmp_path, monkeypatch):
    def fill_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", fill_disk)
    with pytest.raises(OSError, match="No checkpoint was completed: free some space, or choose an --output_dir on"):
        train_classifier(table, **OPTIONS, output_dir=tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoint-*"))


def test_prefixes_and_a_stop_rule_are_trained_saved_and_recorded(table, tmp_path, capsys):
    options = OPTIONS | {"bidirectional": False, "prefixes": True, "stop_false_alarms": "good=0.5"}
    options |= {"num_train_epochs": 5, "learning_rate": 0.02}
    trained = train_classifier(table, output_dir=tmp_path / "run", **options)
    record = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rule = trained.model.config.stop_rule
    assert {name: record["stop_rule"][name] for name in rule} == rule and rule["label"] == "good"
    assert trained.stop_rule == load_classifier(tmp_path / "run").stop_rule
    (note,) = [note for note in record["notes"] if note.startswith("Stop rule: 'good' has a probability of at least")]
    assert note in capsys.readouterr().out and note in (tmp_path / "run" / "README.md").read_text()
    # Without the option, the rule of the model to start from is not kept: its weights change.
    again = train_classifier(table, output_dir=tmp_path / "again", pretrained=str(tmp_path / "run"), **OPTIONS)
    assert again.stop_rule is None and f"stop rule of {tmp_path / 'run'} is not kept" in capsys.readouterr().out


def test_too_few_validation_texts_give_a_warning_and_no_rule(table, tmp_path, capsys):
    options = OPTIONS | {"bidirectional": False, "num_train_epochs": 1, "stop_false_alarms": "good=0.01"}
    assert train_classifier(table, output_dir=tmp_path / "run", **options).stop_rule is None
    assert "Warning: no stop rule for 'good': a rate of 0.01 requires at least 99 texts" in capsys.readouterr().out


@pytest.mark.parametrize("option", [{"prefixes": True}, {"stop_false_alarms": "good=0.1"}])
def test_early_decisions_need_a_forward_model(table, tmp_path, option):
    with pytest.raises(ValueError, match="one direction: add --no_bidirectional"):
        train_classifier(table, output_dir=tmp_path, **OPTIONS, **option)
    with pytest.raises(ValueError, match="add --no_reverse"):
        train_classifier(table, output_dir=tmp_path, **OPTIONS, **option, bidirectional=False, reverse=True)


def test_stop_rule_needs_a_label_of_the_data(table, tmp_path):
    with pytest.raises(ValueError, match="with a rate between 0 and 1 and one of the labels good, other, got '0.01'"):
        train_classifier(table, output_dir=tmp_path, **OPTIONS, bidirectional=False, stop_false_alarms=0.01)
    assert not list(tmp_path.iterdir())


def test_teachers_label_the_prefixes(table, tmp_path):
    options = OPTIONS | {"bidirectional": False, "num_train_epochs": 1, "prefixes": True}
    asked = []

    def teacher(texts):
        asked.extend(texts)
        return [[0.9, 0.1] if "good" in text else [0.2, 0.8] for text in texts]

    trained = train_classifier(table, output_dir=tmp_path, teacher=teacher, **options)
    record = json.loads((trained.folder / "metrics.json").read_text())
    (note,) = [note for note in record["notes"] if "random prefixes of" in note]
    assert record["splits"]["train"] > 30 and any(text not in set(table["text"]) for text in asked)
