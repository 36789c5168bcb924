import json
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import TrainerState, pipeline

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.hub import save_metrics
from hf_lstm.recipes import checkpoints
from hf_lstm.recipes.checkpoints import (
    distil,
    prepare_teacher_file,
    publish,
    reproduce_checkpoint,
    split_options,
    step_command,
    steps_in_order,
    train_step,
)
from hf_lstm.recipes.steps import CHECKPOINTS, STEPS, TEACHER_FILE
from hf_lstm.text import train_tokenizer

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "model_cards"


@pytest.fixture
def trained(tmp_path):
    """A classifier that predicts `pos` for every text, in half precision, and a record of its training."""
    folder = tmp_path / "runs" / "last"
    tokenizer = train_tokenizer(["the film was good"] * 2, "word", 60, show_progress=False)
    names = {0: "neg", 1: "pos"}
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 4, "hidden_size": 4, "bidirectional": False}
    config = LstmConfig(
        **sizes, id2label=names, label2id={"neg": 0, "pos": 1}, problem_type="single_label_classification"
    )
    model = LstmForSequenceClassification(config)
    model.classifier.weight.data.zero_()
    model.classifier.bias.data[:] = model.classifier.bias.data.new_tensor([0.0, 2.0])
    model.save_pretrained(folder, state_dict={name: weight.half() for name, weight in model.state_dict().items()})
    tokenizer.save_pretrained(folder)
    training = {
        "command": "python scripts/train.py --dataset here/imdb --pretrained runs/first --output_dir runs/last",
        "epochs": 1.0,
        "seconds": 2.0,
        "precision": "fp32",
        "seed": 42,
    }
    save_metrics(
        {
            "name": "model",
            "dataset": "here/imdb",
            "dataset_on_hub": False,
            "language": None,
            "license": "apache-2.0",
            "notes": ["Read here/imdb: train 3 rows."],
            "splits": {"train": 3, "test": 2},
            "figures": {"test": {"model": {"accuracy": 0.5}}},
            "training": training | {"metric": "accuracy", "parameters": 5},
            "machine": "a machine",
            "bytes": 0,
            "texts_per_second": 10.0,
        },
        folder,
    )
    return folder


def test_published_folder_is_complete_and_its_card_has_no_texts_of_the_corpus(trained, tmp_path, monkeypatch):
    reviews = {"text": ["fine", "dull", "bad"], "label": [1, 0, 0]}
    steps = {"first": ("pretrain", "--objective vectors"), "last": ("train", "--pretrained runs/first")}
    monkeypatch.setattr(checkpoints, "build_sample_reviews", lambda: {"test": Dataset.from_dict(reviews)})
    monkeypatch.chdir(tmp_path)
    folder = Path("cards") / "lstm-x"
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx" / "stale.txt").write_text("of before")
    with pytest.raises(FileNotFoundError):
        publish("first", folder, steps, "python x.py")  # it is not trained
    assert (folder / "onnx" / "stale.txt").exists()
    publish("last", folder, steps, "hf-lstm reproduce lstm-x")

    assert not (folder / "onnx").exists() and list(folder.parent.iterdir()) == [folder]
    assert {weight.dtype.itemsize for weight in load_file(folder / "model.safetensors").values()} == {2}
    said = pipeline("text-classification", model=str(folder))("anything")
    assert said[0]["label"] == "pos" and said[0]["score"] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-4)
    card = ModelCard.load(folder / "README.md")
    assert card.data.datasets == ["stanfordnlp/imdb"] and card.data.model_name == "lstm-x"
    assert "is 0.333." in card.text and 'label neg: "dull"' in card.text
    assert "`hf-lstm reproduce lstm-x`" in card.text and "here/imdb" not in card.text
    of_imdb = " --dataset stanfordnlp/imdb"
    first = f"hf-lstm pretrain{of_imdb} --objective vectors --output_dir runs/first"
    last = f"hf-lstm train{of_imdb} --pretrained runs/first --output_dir runs/last"
    assert f"1. `{first}` (time not recorded)\n2. `{last}` (2 s, a machine)\n" in card.text
    assert f"Command: `{last}`" in card.text and "Read stanfordnlp/imdb: train 3 rows." in card.text
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["figures"] == {"test": {"model": {"accuracy": 0.5}}}


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """The commands that are run. Each one only leaves its record."""
    monkeypatch.chdir(tmp_path)
    commands = []

    class Processes:
        @staticmethod
        def run(command):
            folder = Path(command[command.index("--output_dir") + 1])
            folder.mkdir(parents=True, exist_ok=True)
            assert command[:3] == [sys.executable, "-m", "hf_lstm"]
            record = {"training": {"command": shlex.join(["hf-lstm", *command[3:]])}}
            (folder / "metrics.json").write_text(json.dumps(record))
            commands.append(command)
            return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(checkpoints, "subprocess", Processes)
    return commands


def test_steps_are_trained_once_each_after_what_they_need(commands, capsys):
    train_step("imdb-forward", "my own/imdb", STEPS)
    trained = [command[-1].removeprefix("runs/") for command in commands]
    assert trained == ["imdb-vectors", "imdb-base", "imdb-vectors-16k", "imdb-small", "imdb-forward"]
    assert sorted(steps_in_order("imdb-forward", STEPS)) == sorted(trained)
    assert all("my own/imdb" in command for command in commands)
    shutil.rmtree("runs/imdb-small")  # a trained step does not ask for the steps before it
    train_step("imdb-forward", "my own/imdb", STEPS)
    assert len(commands) == 5 and "runs/imdb-forward is already trained" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--seed 1", "--vocab_size 99"])
def test_folder_of_another_command_is_refused(commands, option):
    train_step("imdb-vectors", "my/imdb", STEPS)
    with pytest.raises(ValueError, match="runs/imdb-vectors holds a model of another command"):
        train_step("imdb-vectors", "my/reviews", STEPS)
    record = Path("runs/imdb-vectors/metrics.json")
    record.write_text(record.read_text().replace(" --objective", f" {option} --objective"))
    with pytest.raises(ValueError, match="runs/imdb-vectors holds a model of another command"):
        train_step("imdb-vectors", "my/imdb", STEPS)


@pytest.mark.parametrize("complete", [False, True])
def test_interrupted_step_resumes_from_a_complete_checkpoint(commands, complete):
    checkpoint = Path("runs/imdb-vectors/checkpoint-7")
    checkpoint.mkdir(parents=True)
    if complete:
        TrainerState().save_to_json(str(checkpoint / "trainer_state.json"))
    train_step("imdb-vectors", "my/imdb", STEPS)
    assert (commands[0][-2:] == ["--resume_from_checkpoint", "last"]) is complete
    train_step("imdb-vectors", "my/imdb", STEPS)  # the resumed run counts as the step
    assert len(commands) == 1


def test_checkpoint_is_published_after_its_step_is_trained(commands, monkeypatch):
    published = []
    monkeypatch.setattr(checkpoints, "publish", lambda *args: published.append(args))
    with pytest.raises(FileNotFoundError, match=r"no folder ./model_cards: run this command in a clone"):
        reproduce_checkpoint("lstm-imdb-base", "my/imdb")
    assert not commands
    Path("model_cards").mkdir()
    reproduce_checkpoint("lstm-imdb-base", "my/imdb")
    command = "hf-lstm reproduce lstm-imdb-base"
    assert published == [("imdb-base", Path("model_cards/lstm-imdb-base"), STEPS, command)] and len(commands) == 2


def test_distillation_trains_and_publishes_the_checkpoints_that_learn_from_the_teacher(
    commands, corpus, teacher, monkeypatch
):
    published = []
    monkeypatch.setattr(checkpoints, "publish", lambda *args: published.append(args[:2] + args[3:]))
    with pytest.raises(FileNotFoundError, match="no folder ./model_cards"):
        distil(teacher, corpus)
    Path("model_cards").mkdir()
    distil(teacher, corpus)
    command = f"hf-lstm reproduce distil --probabilities {teacher}"
    assert published == [
        (f"imdb-{kind}-3", Path("model_cards") / name, command)
        for kind, name in (("forward", "lstm-imdb"), ("reverse", "lstm-imdb-reverse"), ("small", "lstm-imdb-small"))
    ]
    assert sorted(command[-1] for command in commands) == sorted(f"runs/{step}" for step in STEPS)
    assert len(Dataset.from_parquet(TEACHER_FILE)) == 4


def test_checkpoint_is_reproduced_with_the_committed_probabilities(commands, corpus, teacher, monkeypatch):
    monkeypatch.setattr(checkpoints, "publish", lambda *args: None)
    Path("model_cards").mkdir()
    reproduce_checkpoint("lstm-imdb-base", corpus)
    assert not Path(TEACHER_FILE).exists()
    with pytest.raises(FileNotFoundError, match="There is no teacher file model_cards/lstm-imdb-lm/probabilities.npz"):
        reproduce_checkpoint("lstm-imdb-small", corpus)
    Path("model_cards/lstm-imdb-lm").mkdir()
    for name in ("probabilities.npz", "report.json"):
        shutil.copy(Path(teacher).with_name(name), Path("model_cards/lstm-imdb-lm") / name)
    reproduce_checkpoint("lstm-imdb-small", corpus)
    assert len(Dataset.from_parquet(TEACHER_FILE)) == 4 and commands[-1][-1] == "runs/imdb-small-3"


def test_card_names_the_commands_of_the_teacher(trained, corpus, teacher, tmp_path, monkeypatch):
    steps = {"last": ("train", f"--teacher {TEACHER_FILE}")}
    reviews = Dataset.from_dict({"text": ["fine"], "label": [1]})
    monkeypatch.setattr(checkpoints, "build_sample_reviews", lambda: {"test": reviews})
    monkeypatch.chdir(tmp_path)
    prepare_teacher_file(teacher, corpus)
    publish("last", Path("model_cards/lstm-x"), steps, "hf-lstm reproduce lstm-x")
    text = Path("model_cards/lstm-x/README.md").read_text()
    assert "2. `hf-lstm reproduce lstm-imdb-lm --packed corpus.npz --minutes 9` (519 s, a GPU)" in text


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_committed_checkpoint_records_the_command_of_its_step(name):
    command = json.loads((CARDS / name / "metrics.json").read_text())["training"]["command"]
    expected = step_command(CHECKPOINTS[name], "stanfordnlp/imdb", STEPS)
    assert Path(command.split()[1]).stem == expected.split()[1]  # some were trained by scripts/train.py
    assert split_options(command) == split_options(expected)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in CARDS.glob("*/config.json")))
def test_committed_checkpoint_opens_with_the_pipeline_and_knows_good_from_bad(name):
    folder = CARDS / name
    classify = pipeline("text-classification", model=str(folder))
    praise = ["A wonderful film, I loved every minute of it.", "Brilliant acting and a touching story."]
    blame = ["A dreadful film, I hated every minute of it.", "Awful acting and a boring story, a waste of time."]
    labels = list(classify.model.config.label2id)  # neg and pos, or negative and positive
    assert [labels.index(said["label"]) for said in classify(praise + blame)] == [1, 1, 0, 0]
    card = ModelCard.load(folder / "README.md")
    figures = json.loads((folder / "metrics.json").read_text())["figures"]["test"]["model"]
    assert {result.metric_type: result.metric_value for result in card.data.eval_results}["accuracy"] == pytest.approx(
        figures["accuracy"], abs=1e-6
    )


def test_committed_checkpoints_are_small():
    sizes = {
        folder.name: sum(path.stat().st_size for path in folder.iterdir())
        for folder in CARDS.iterdir()
        if folder.is_dir()
    }
    assert max(sizes["lstm-imdb-small"], sizes["lstm-sentiment-small"]) <= 6e6 and sum(sizes.values()) < 60e6
