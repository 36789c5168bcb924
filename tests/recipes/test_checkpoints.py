import json
import runpy
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
from hf_lstm.hub.model_card import save_metrics
from hf_lstm.text.tokenization import train_tokenizer

ROOT = Path(__file__).parents[2]
SCRIPT, CARDS = ROOT / "scripts" / "reproduce.py", ROOT / "model_cards"


@pytest.fixture
def reproduce():
    sys.path.insert(0, str(SCRIPT.parent))  # as the interpreter does for a script, which takes it away again
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def trained(tmp_path):
    """A classifier that says `pos` of everything, with its weights in half precision, and a record of its training."""
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
            "language": "en",
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


def test_published_folder_is_whole_small_and_has_a_card_without_texts_of_the_corpus(
    reproduce, trained, tmp_path, monkeypatch
):
    publish = reproduce["publish"]
    reviews = {"text": ["fine", "dull", "bad"], "label": [1, 0, 0]}
    steps = {"first": ("pretrain", "--objective vectors"), "last": ("train", "--pretrained runs/first")}
    monkeypatch.setitem(publish.__globals__, "STEPS", steps)
    monkeypatch.setitem(publish.__globals__, "build_sample_reviews", lambda: {"test": Dataset.from_dict(reviews)})
    monkeypatch.chdir(tmp_path)
    folder = Path("cards") / "lstm-x"
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx" / "stale.txt").write_text("of before")
    with pytest.raises(FileNotFoundError):
        publish("first", folder)  # which has not been trained
    assert (folder / "onnx" / "stale.txt").exists()
    publish("last", folder)

    assert not (folder / "onnx").exists() and list(folder.parent.iterdir()) == [folder]
    assert {weight.dtype.itemsize for weight in load_file(folder / "model.safetensors").values()} == {2}
    said = pipeline("text-classification", model=str(folder))("anything")
    assert said[0]["label"] == "pos" and said[0]["score"] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-4)
    card = ModelCard.load(folder / "README.md")
    assert card.data.datasets == ["stanfordnlp/imdb"] and card.data.model_name == "lstm-x"
    assert "is 0.333." in card.text and 'label neg: "dull"' in card.text
    assert "`python scripts/reproduce.py lstm-x`" in card.text and "here/imdb" not in card.text
    of_imdb = ".py --dataset stanfordnlp/imdb"
    first = f"python scripts/pretrain{of_imdb} --objective vectors --output_dir runs/first"
    last = f"python scripts/train{of_imdb} --pretrained runs/first --output_dir runs/last"
    assert f"1. `{first}` (time not recorded)\n2. `{last}` (2 s, a machine)\n" in card.text
    assert f"Command: `{last}`" in card.text and "Read stanfordnlp/imdb: train 3 rows." in card.text
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["figures"] == {"test": {"model": {"accuracy": 0.5}}}


def test_steps_name_only_steps_before_them_and_lead_to_every_checkpoint(reproduce):
    steps = reproduce["STEPS"]
    assert set(reproduce["CHECKPOINTS"].values()) <= set(steps)
    before = set()
    for name, (script, options) in steps.items():
        assert (SCRIPT.parent / f"{script}.py").is_file()
        assert set(reproduce["needed"](options)) <= before, name
        assert options.count("runs/") == len(reproduce["needed"](options))
        before.add(name)


@pytest.fixture
def commands(reproduce, tmp_path, monkeypatch):
    """The commands that would be run, each of which leaves a record of itself."""
    monkeypatch.chdir(tmp_path)
    commands = []

    class Processes:
        @staticmethod
        def run(command):
            folder = Path(command[command.index("--output_dir") + 1])
            folder.mkdir(parents=True, exist_ok=True)
            record = {"training": {"command": shlex.join(["python", *command[1:]])}}
            (folder / "metrics.json").write_text(json.dumps(record))
            commands.append(command)
            return type("Done", (), {"returncode": 0})

    monkeypatch.setitem(reproduce["train"].__globals__, "subprocess", Processes)
    return commands


def test_steps_are_trained_once_each_after_what_they_need(reproduce, commands, capsys):
    reproduce["train"]("imdb-forward", "my own/imdb")
    trained = [command[-1].removeprefix("runs/") for command in commands]
    assert trained == ["imdb-vectors", "imdb-base", "imdb-vectors-16k", "imdb-small", "imdb-forward"]
    assert sorted(reproduce["way_to"]("imdb-forward")) == sorted(trained)
    assert all("my own/imdb" in command for command in commands)
    shutil.rmtree("runs/imdb-small")  # what a trained step needed is not asked for
    reproduce["train"]("imdb-forward", "my own/imdb")
    assert len(commands) == 5 and "runs/imdb-forward is trained already" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--seed 1", "--vocab_size 99"])
def test_what_was_trained_otherwise_is_not_taken_for_a_step(reproduce, commands, option):
    reproduce["train"]("imdb-vectors", "my/imdb")
    with pytest.raises(ValueError, match="runs/imdb-vectors was trained otherwise"):
        reproduce["train"]("imdb-vectors", "my/reviews")
    record = Path("runs/imdb-vectors/metrics.json")
    record.write_text(record.read_text().replace(" --objective", f" {option} --objective"))
    with pytest.raises(ValueError, match="runs/imdb-vectors was trained otherwise"):
        reproduce["train"]("imdb-vectors", "my/imdb")


@pytest.mark.parametrize("complete", [False, True])
def test_an_interrupted_step_goes_on_from_what_was_saved_whole(reproduce, commands, complete):
    checkpoint = Path("runs/imdb-vectors/checkpoint-7")
    checkpoint.mkdir(parents=True)
    if complete:
        TrainerState().save_to_json(str(checkpoint / "trainer_state.json"))
    reproduce["train"]("imdb-vectors", "my/imdb")
    assert (commands[0][-2:] == ["--resume_from_checkpoint", "last"]) is complete
    reproduce["train"]("imdb-vectors", "my/imdb")  # which is then known as the step
    assert len(commands) == 1


def test_command_publishes_what_it_has_trained(reproduce, commands, monkeypatch, capsys):
    published = []
    main = reproduce["main"]
    monkeypatch.setitem(main.__globals__, "publish", lambda *args: published.append(args) or {"a": 2_500_000})
    monkeypatch.setattr(sys, "argv", ["reproduce.py", "lstm-imdb-base", "--dataset", "my/imdb"])
    main()
    assert published == [("imdb-base", Path("model_cards/lstm-imdb-base"))] and len(commands) == 2
    assert "model_cards/lstm-imdb-base: 2.5 MB" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(path.name for path in CARDS.iterdir() if path.is_dir()))
def test_committed_checkpoint_records_the_command_of_its_step(reproduce, name):
    step = reproduce["CHECKPOINTS"][name]
    command = json.loads((CARDS / name / "metrics.json").read_text())["training"]["command"]
    said = reproduce["command_of"](step, "stanfordnlp/imdb")
    assert command.split()[:2] == said.split()[:2]
    assert reproduce["by_option"](command) == reproduce["by_option"](said)


@pytest.mark.parametrize("name", sorted(path.name for path in CARDS.iterdir() if path.is_dir()))
def test_committed_checkpoint_opens_with_the_pipeline_and_knows_good_from_bad(name):
    folder = CARDS / name
    classify = pipeline("text-classification", model=str(folder))
    praise = ["A wonderful film, I loved every minute of it.", "Brilliant acting and a touching story."]
    blame = ["A dreadful film, I hated every minute of it.", "Awful acting and a boring story, a waste of time."]
    assert [said["label"] for said in classify(praise + blame)] == ["pos", "pos", "neg", "neg"]
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
    assert sizes["lstm-imdb-small"] <= 6e6 and sum(sizes.values()) < 60e6
