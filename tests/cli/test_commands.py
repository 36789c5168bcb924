"""The command lines, as a user runs them."""

import csv
import io
import json
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer, TrainerState

from hf_lstm.inference.loading import load_model_and_tokenizer
from hf_lstm.inference.prediction import predict_texts, probabilities

ROOT = Path(__file__).parents[2]
TEXTS = [
    f"{opinion} {thing} number {i}" for i in range(75) for opinion in ("good", "bad") for thing in ("film", "book")
]


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a script in this process, which is quick: the imports are done. `trained` is a process of its own."""

    def run(name: str, *arguments, stdin: str = "") -> Ended:
        path = str(ROOT / "scripts" / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])  # as the interpreter does for a script
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        code, message = 0, ""
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as ended:
            code = ended.code or 0
            if isinstance(code, str):
                code, message = 1, code
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err + message)

    return run


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "opinions.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["review", "sentiment"])
        writer.writerows([text, text.split()[0]] for text in TEXTS)
    return path


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "opinions"
    sizes = ("--embedding_size", 16, "--hidden_size", 16, "--num_train_epochs", 20, "--learning_rate", 0.02)
    sizes += ("--embedding_dropout", 0, "--input_dropout", 0.1)
    command = [sys.executable, ROOT / "scripts" / "train.py", "--dataset", table, "--output_dir", folder, *sizes]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_train_leaves_a_complete_folder(trained):
    folder, printed = trained
    expected = ["README.md", "config.json", "learning_curve.png", "metrics.json", "model.safetensors"]
    expected += ["predictions.png", "tokenizer.json", "tokenizer_config.json", "trainer_state.json"]
    expected += [path.name for path in (ROOT / "hf_lstm" / "models").glob("*_lstm.py") if "causal" not in path.name]
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["figures"]["test"]["model"]["accuracy"] > 0.9
    assert metrics["figures"]["test"]["baseline"]["accuracy"] > 0.5
    assert "TF-IDF + LR" in printed and "Accuracy" in printed


def test_pipeline_in_a_new_process_gives_the_same(trained):
    folder, _ = trained
    texts = [*TEXTS[:20], "", "good " * 3000]
    code = (
        "import json, sys, hf_lstm; from transformers import pipeline\n"
        "classify = pipeline('text-classification', model=sys.argv[1], batch_size=8, top_k=None)\n"
        "json.dump(classify(json.load(sys.stdin)), sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, input=json.dumps(texts), timeout=300
    )
    assert done.returncode == 0, done.stderr
    model, tokenizer = load_model_and_tokenizer(str(folder))
    expected = probabilities(predict_texts(model, tokenizer, texts), model.config.problem_type)
    for scores, row in zip(json.loads(done.stdout), expected, strict=True):
        by_name = {score["label"]: score["score"] for score in scores}
        np.testing.assert_allclose([by_name["bad"], by_name["good"]], row, atol=1e-5)


def test_predict_from_arguments_and_standard_input(script, trained):
    folder, _ = trained
    done = script("predict", "--model", folder, "good film", "bad\nbook")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["good", "bad"], done.stderr
    piped = script("predict", "--model", folder, stdin="good book\n\nbad film\n")
    assert [line.split("\t")[0] for line in piped.stdout.splitlines()][::2] == ["good", "bad"]
    assert len(piped.stdout.splitlines()) == 3


def test_predict_a_file(script, trained, table, tmp_path):
    folder, _ = trained
    done = script("predict", "--model", folder, "--input", table, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 0 and "300 rows written" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    right = [row["predicted_label"] == row["sentiment"] for row in rows]
    assert len(right) == 300 and sum(right) > 270


def test_evaluate(script, trained, table, tmp_path):
    folder, _ = trained
    figures = tmp_path / "figures.json"
    done = script("evaluate", "--model", folder, "--dataset", table, "--json", figures, "--plot", tmp_path / "p.png")
    assert done.returncode == 0, done.stderr
    assert "300 texts" in done.stdout and json.loads(figures.read_text())["accuracy"] > 0.9
    assert (tmp_path / "p.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--dataset", "./absent.csv"), "error: There is no file or folder ./absent.csv."),
        (
            ("train", "--dataset", "TABLE", "--text_column", "nope"),
            "has no column 'nope'; its columns are: review, sentiment",
        ),
        (("train", "--dataset", "TABLE", "--pretrained", "./absent"), "error: There is no folder ./absent."),
        (
            ("train", "--dataset", "TABLE", "--pretrained", "FOLDER", "--hidden_size", 9),
            "has its own layers: leave out hidden_size.",
        ),
        (("train", "--dataset", "TABLE", "--teacher", "./absent"), "error: There is no folder ./absent."),
        (("train", "--dataset", "TABLE", "--teacher", "TABLE"), "has no column 'text'; it needs `text` and one for"),
        (("train", "--dataset", "TABLE", "--layer_decay", 2), "error: layer_decay must be above 0 and at most 1"),
        (("pretrain", "--dataset", "./absent.txt"), "error: There is no file or folder ./absent.txt."),
        (
            ("pretrain", "--dataset", "TABLE", "--output_dir", "NEW", "--streaming", "true", "--validation_texts", 9),
            "error: A stream has no end that is known: say with max_steps how many steps to train.",
        ),
        (
            ("pretrain", "--dataset", "TABLE", "--output_dir", "NEW", "--bidirectional", "true"),
            "error: A language model reads in one direction",
        ),
        (
            ("pretrain", "--dataset", "TABLE", "--output_dir", "NEW", "--block_size", 1),
            "error: block_size must be at least 2",
        ),
        (
            ("pretrain", "--dataset", "TABLE", "--objective", "vectors", "--pretrained", "FOLDER"),
            "error: Vectors start from nothing: leave out pretrained.",
        ),
        (("predict", "--model", "./absent", "x"), "error: There is no folder ./absent."),
        (("evaluate", "--model", "FOLDER", "--dataset", "TABLE", "--split", "dev"), "There is no split 'dev'"),
    ],
)
def test_bad_input_is_one_sentence(script, trained, table, tmp_path, arguments, sentence):
    places = {"TABLE": str(table), "FOLDER": str(trained[0]), "NEW": str(tmp_path / "new")}
    done = script(*[places.get(argument, argument) for argument in arguments])
    assert done.returncode == 1
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_arguments_from_a_yaml_file(script, table, tmp_path):
    arguments = {"dataset": str(table), "output_dir": str(tmp_path / "run"), "hidden_size": 8, "embedding_size": 8}
    arguments |= {"num_train_epochs": 1, "baseline": False, "tokenizer": "bpe", "vocab_size": 300, "cell_type": "gru"}
    (tmp_path / "run.yaml").write_text(json.dumps(arguments))
    done = script("train", tmp_path / "run.yaml")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["cell_type"] == "gru"
    assert "TF-IDF" not in done.stdout


SMALL = ("--embedding_size", 16, "--hidden_size", 16, "--disable_tqdm", "true")
STEPS = ("--max_steps", 20, "--per_device_train_batch_size", 8, "--block_size", 16, "--bf16", "false")
SHORT = ("--num_train_epochs", 2, "--learning_rate", 0.02, "--baseline", "false", "--disable_tqdm", "true")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """The texts without their labels, one a line."""
    path = tmp_path_factory.mktemp("data") / "texts.txt"
    path.write_text("\n".join(f"a {text}" for text in TEXTS) + "\n")
    return path


@pytest.mark.parametrize("reverse", ["false", "true"])
def test_pretrain_a_language_model_and_train_from_it(script, table, lines, tmp_path, reverse):
    lm, tuned = tmp_path / "lm", tmp_path / "tuned"
    source = ("--dataset", lines, "--output_dir", lm, "--num_hidden_layers", 2, "--reverse", reverse)
    done = script("pretrain", *source, *SMALL, *STEPS)
    assert done.returncode == 0, done.stderr
    expected = ["config.json", "generation_config.json", "learning_curve.png", "metrics.json", "model.safetensors"]
    expected += ["tokenizer.json", "tokenizer_config.json", "trainer_state.json"]
    expected += [path.name for path in (ROOT / "hf_lstm" / "models").glob("*_lstm.py")]
    assert sorted(path.name for path in lm.iterdir()) == sorted(expected)
    metrics = json.loads((lm / "metrics.json").read_text())
    vocab_size = json.loads((lm / "config.json").read_text())["vocab_size"]
    assert 1 < metrics["perplexity"] < vocab_size - 10 and metrics["training"]["steps"] == 20
    assert f"Validation perplexity {metrics['perplexity']:.1f}. It writes: {metrics['sample']}" in done.stdout
    assert "texts.txt (train): 270 to learn from, 30 to validate on." in done.stdout

    schedule = ("--gradual_unfreezing", "true", "--layer_decay", 0.5)
    done = script("train", "--dataset", table, "--output_dir", tuned, "--pretrained", lm, *SHORT, *schedule)
    assert done.returncode == 0, done.stderr
    config = json.loads((tuned / "config.json").read_text())
    assert (config["num_hidden_layers"], config["bidirectional"], config["reverse"]) == (2, False, reverse == "true")
    assert (tuned / "tokenizer.json").read_text() == (lm / "tokenizer.json").read_text()
    # Two epochs train the head and the layer below it, and leave the others.
    before, after = (load_file(folder / "model.safetensors") for folder in (lm, tuned))
    same = {name for name in after if name in before and torch.equal(before[name], after[name])}
    assert {name for name in after if "layers.0" in name or "embed_tokens" in name} == same


def test_pretrain_vectors_and_train_from_them(script, table, lines, tmp_path):
    vectors, tuned = tmp_path / "vectors", tmp_path / "tuned"
    for streaming in ("true", "false"):
        source = ("--dataset", lines, "--output_dir", vectors, "--embedding_size", 16, "--streaming", streaming)
        done = script("pretrain", *source, "--objective", "vectors", "--validation_texts", 10)
        assert done.returncode == 0, done.stderr
        weights = load_file(vectors / "model.safetensors")
        assert {name: value.shape[1] for name, value in weights.items()} == {"embed_tokens.weight": 16}
    refused = script("predict", "--model", vectors, "good film")
    assert refused.returncode == 1 and "fine-tune it first" in refused.stderr
    kind = ("--cell_type", "gru", "--hidden_size", 12)
    done = script("train", "--dataset", table, "--output_dir", tuned, "--pretrained", vectors, *SHORT, *kind)
    assert done.returncode == 0, done.stderr
    config = json.loads((tuned / "config.json").read_text())
    assert (config["cell_type"], config["hidden_size"], config["embedding_size"]) == ("gru", 12, 16)


def test_what_a_classifier_starts_from_is_not_pushed(script, lines, tmp_path):
    done = script("pretrain", "--dataset", lines, "--output_dir", tmp_path / "lm", "--push_to_hub", "true")
    assert done.returncode == 1 and "leave out push_to_hub" in done.stderr and not (tmp_path / "lm").exists()


def test_pretrain_from_a_stream(script, table, tmp_path):
    source = ("--dataset", table, "--text_column", "review", "--streaming", "true", "--validation_texts", 10)
    done = script("pretrain", *source, "--output_dir", tmp_path / "lm", *SMALL, *STEPS)
    assert done.returncode == 0, done.stderr
    assert "read as they are needed" in done.stdout
    assert json.loads((tmp_path / "lm" / "metrics.json").read_text())["training"]["steps"] == 20


def test_interrupted_pretraining_is_resumed_only_when_asked(script, lines, tmp_path, monkeypatch):
    arguments = ("pretrain", "--dataset", lines, "--output_dir", tmp_path / "lm", *SMALL, *STEPS)
    save = Trainer._save_checkpoint

    def save_and_end(self, *args, **kwargs):
        save(self, *args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_checkpoint", save_and_end)
        assert "interrupted" in script(*arguments).stderr
    done = script(*arguments)
    assert done.returncode == 1 and "--resume_from_checkpoint last" in done.stderr
    (checkpoint,) = (tmp_path / "lm").glob("checkpoint-*")
    before = TrainerState.load_from_json(checkpoint / "trainer_state.json")
    done = script(*arguments, "--resume_from_checkpoint", "last")
    assert done.returncode == 0, done.stderr
    after = TrainerState.load_from_json(tmp_path / "lm" / "trainer_state.json")
    assert 0 < before.global_step < after.global_step == 20
    assert after.log_history[: len(before.log_history)] == before.log_history


def test_two_processes_pretrain_and_learn_from_a_teacher(table, lines, tmp_path):
    def launch(name, *arguments):
        launcher = ["-m", "torch.distributed.run", "--nproc_per_node", 2, ROOT / "scripts" / f"{name}.py"]
        command = [sys.executable, *launcher, *arguments, "--output_dir", tmp_path / name]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / name / "metrics.json").read_text())

    assert "steps" not in launch("pretrain", "--dataset", lines, "--objective", "vectors")["training"]
    assert launch("pretrain", "--dataset", lines, *SMALL, *STEPS)["training"]["steps"] == 20
    taught = launch("train", "--dataset", table, "--pretrained", tmp_path / "pretrain", "--teacher", "linear", *SHORT)
    assert taught["figures"]["test"]["model"]["accuracy"] > 0.9


def test_train_with_teachers(script, trained, table, lines, tmp_path):
    rows = [json.dumps({"text": f"a {text}", "bad": "bad" in text, "good": "good" in text}) for text in TEXTS]
    said = tmp_path / "said.jsonl"
    said.write_text("\n".join(rows) + "\n")
    teachers = (trained[0], said, "linear")
    arguments = ("--dataset", table, "--output_dir", tmp_path / "taught", *SMALL[:4], *SHORT)
    done = script("train", *arguments, "--teacher", *teachers, "--unlabelled", lines)
    assert done.returncode == 0, done.stderr
    assert f"300 texts without labels, taught by {trained[0]}, {said}, linear." in done.stdout
    metrics = json.loads((tmp_path / "taught" / "metrics.json").read_text())
    assert metrics["splits"]["train"] == 240 + 300 and metrics["figures"]["test"]["model"]["accuracy"] > 0.9
    averaged = ("--dataset", table, "--output_dir", tmp_path / "averaged", *SMALL[:4], *SHORT)
    done = script("train", *averaged, "--teacher", trained[0], "linear")
    assert done.returncode == 0, done.stderr
    assert "The labels of 240 training texts are averaged with what" in done.stdout
    lacking = script("train", *arguments, "--teacher", said)
    assert lacking.returncode == 1 and "says nothing of 240 texts of 240, the first of them" in lacking.stderr


def test_stream(script, trained, table, tmp_path):
    one_direction = tmp_path / "model"
    sizes = ("--bidirectional", "false", "--embedding_size", 16, "--hidden_size", 16, "--num_train_epochs", 6)
    done = script("train", "--dataset", table, "--output_dir", one_direction, *sizes, "--baseline", "false")
    assert done.returncode == 0, done.stderr
    done = script("stream", "--model", one_direction, "--plot", tmp_path / "plot.png", stdin="a good film\n")
    assert done.returncode == 0, done.stderr
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    predicted = script("predict", "--model", one_direction, "a good film").stdout.split("\t")
    assert lines[-1] == ["4 tokens", f"{predicted[0]} {predicted[1]}"]
    assert (tmp_path / "plot.png").stat().st_size > 1000
    rule = ("--stop_when", "good", "0.3", "1")
    stopped = script("stream", "--model", one_direction, *rule, stdin="a film that is good " * 20)
    assert stopped.returncode == 3 and "good had 0.3 for 1 token at character" in stopped.stderr
    wrong = script("stream", "--model", one_direction, "--stop_when", "great", "0.5", "1", stdin="x")
    assert wrong.returncode == 1 and "no label 'great'" in wrong.stderr
    assert "nothing on standard input" in script("stream", "--model", one_direction).stderr
    for mistake in (("--stop_when", "good", "much", "1"), ("--plot", "plot.gif")):
        assert script("stream", "--model", one_direction, *mistake, stdin="x").returncode == 2
    both = script("stream", "--model", trained[0], stdin="x")
    assert both.returncode == 1 and "from their end" in both.stderr


def test_evaluate_an_average(script, trained, table, tmp_path):
    folder, _ = trained
    other = tmp_path / "undecided"  # which says 1/2 of everything
    shutil.copytree(folder, other)
    weights = load_file(other / "model.safetensors")
    save_file(
        {name: value * ("classifier" not in name) for name, value in weights.items()},
        other / "model.safetensors",
        metadata={"format": "pt"},
    )
    done = script("evaluate", "--model", folder, other, "--dataset", table, "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    assert "average" in done.stdout and "95 % interval" in done.stdout and "Log loss" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["average"]["accuracy"] == figures[str(folder)]["accuracy"] > figures[str(other)]["accuracy"]
    assert figures[str(other)]["log_loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert figures[str(folder)]["log_loss"] < figures["average"]["log_loss"] < np.log(2)


def test_export_onnx(script, trained, table, tmp_path):
    pytest.importorskip("onnxruntime")
    done = script("export_onnx", trained[0], "--int8", "--dataset", table, "--output_dir", tmp_path / "onnx")
    assert done.returncode == 0, done.stderr
    assert "Parity with torch" in done.stdout and "| model_int8.onnx |" in done.stdout and "accuracy" in done.stdout
    command = [sys.executable, str(tmp_path / "onnx" / "run_onnx.py"), "good film"]
    assert subprocess.check_output(command, text=True).startswith("good\t")
    both = script("export_onnx", trained[0], "--streaming", "--output_dir", tmp_path / "stream")
    assert both.returncode == 1 and "cannot be exported for streaming" in both.stderr


def test_fuzz(script, trained):
    done = script("fuzz", "--model", trained[0], "--count", 300)
    assert done.returncode == 0, done.stderr
    assert "Every score is finite, and the same label comes from a file." in done.stdout
    assert "the longest of 1," in done.stdout or "the longest of 2," in done.stdout  # millions: words of a megabyte


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_help_has_the_usage_and_the_examples_line_by_line(script, path):
    shown = script(path.stem, "--help").stdout
    description = path.read_text(encoding="utf-8").split('"""')[1]
    examples = {line for line in description.splitlines() if line.startswith("python ")}
    assert "usage:" in shown and examples <= set(shown.splitlines())
