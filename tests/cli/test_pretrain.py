import json
import subprocess
import sys

import pytest
import torch
from helpers import ROOT, SHORT_OPTIONS, SIZE_OPTIONS
from safetensors.torch import load_file
from transformers import Trainer, TrainerState

from hf_lstm.cli.pretrain import SECTIONS
from hf_lstm.cli.training_parser import TrainingParser
from hf_lstm.pretraining import PRETRAINING_GROUPS

STEPS = ("--max_steps", 20, "--per_device_train_batch_size", 8, "--block_size", 16, "--no_bf16")


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["--no_reverse", "--reverse"])
def test_language_model_and_a_classifier_on_it(command, table, lines, tmp_path, direction):
    lm, tuned = tmp_path / "lm", tmp_path / "tuned"
    source = ("--dataset", lines, "--output_dir", lm, "--num_hidden_layers", 2, direction)
    done = command("pretrain", *source, *SIZE_OPTIONS, *STEPS)
    assert done.returncode == 0, done.stderr
    expected = ["config.json", "generation_config.json", "learning_curve.png", "metrics.json", "model.safetensors"]
    expected += ["tokenizer.json", "tokenizer_config.json", "trainer_state.json"]
    expected += [path.name for path in (ROOT / "hf_lstm" / "models").glob("*_lstm.py")]
    assert sorted(path.name for path in lm.iterdir()) == sorted(expected)
    record = json.loads((lm / "metrics.json").read_text())
    vocab_size = json.loads((lm / "config.json").read_text())["vocab_size"]
    assert 1 < record["perplexity"] < vocab_size - 10 and record["training"]["steps"] == 20
    assert record["training"]["command"].startswith("hf-lstm pretrain --dataset")
    assert f"Validation perplexity {record['perplexity']:.1f}. Sample: {record['sample']}" in done.stdout
    assert "270 for training, 30 for validation" in done.stdout

    schedule = ("--gradual_unfreezing", "--layer_decay", 0.5, "--load_best_model_at_end", "no")
    options = ("--dataset", table, "--output_dir", tuned, "--pretrained", lm, *SHORT_OPTIONS, *schedule)
    done = command("train", *options)
    assert done.returncode == 0, done.stderr
    config = json.loads((tuned / "config.json").read_text())
    assert (config["num_hidden_layers"], config["bidirectional"]) == (2, False)
    assert config["reverse"] is (direction == "--reverse")
    assert (tuned / "tokenizer.json").read_text() == (lm / "tokenizer.json").read_text()
    # Two epochs train the head and the layer below it, and leave the others.
    before, after = (load_file(folder / "model.safetensors") for folder in (lm, tuned))
    same = {name for name in after if name in before and torch.equal(before[name], after[name])}
    assert {name for name in after if "layers.0" in name or "embed_tokens" in name} == same


@pytest.mark.slow
def test_vectors_and_a_classifier_on_them(command, table, lines, tmp_path):
    vectors, tuned = tmp_path / "vectors", tmp_path / "tuned"
    for streaming in ("--streaming", "--no_streaming"):
        source = ("--dataset", lines, "--output_dir", vectors, "--embedding_size", 16, streaming)
        done = command("pretrain", *source, "--objective", "vectors", "--validation_texts", 10)
        assert done.returncode == 0, done.stderr
        weights = load_file(vectors / "model.safetensors")
        assert {name: value.shape[1] for name, value in weights.items()} == {"embed_tokens.weight": 16}
    refused = command("predict", "--model", vectors, "good film")
    assert refused.returncode == 1 and "fine-tune" in refused.stderr
    kind = ("--cell_type", "gru", "--hidden_size", 12)
    options = ("--dataset", table, "--output_dir", tuned, "--pretrained", vectors, *SHORT_OPTIONS, *kind)
    done = command("train", *options)
    assert done.returncode == 0, done.stderr
    config = json.loads((tuned / "config.json").read_text())
    assert (config["cell_type"], config["hidden_size"], config["embedding_size"]) == ("gru", 12, 16)


@pytest.mark.slow
def test_continuous_streams(command, lines, tmp_path):
    source = ("--dataset", lines, "--output_dir", tmp_path / "lm", "--carry_state", "--num_train_epochs", 2)
    done = command("pretrain", *source, *SIZE_OPTIONS, *STEPS[2:])
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "lm" / "metrics.json").read_text())
    assert record["perplexity"] > 1 and "Validation perplexity" in done.stdout


@pytest.mark.slow
def test_stream_of_a_table(command, table, tmp_path):
    source = ("--dataset", table, "--text_column", "review", "--streaming", "--validation_texts", 10)
    done = command("pretrain", *source, "--output_dir", tmp_path / "lm", *SIZE_OPTIONS, *STEPS)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "lm" / "metrics.json").read_text())["training"]["steps"] == 20


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--dataset", "./absent.txt"), "There is no file or folder ./absent.txt"),
        (("--dataset", "TABLE", "--streaming", "--validation_texts", 9), "max_steps"),
        (("--dataset", "TABLE", "--bidirectional"), "A language model reads in one direction"),
        (("--dataset", "TABLE", "--block_size", 1), "block_size"),
        (("--objective", "vectors", "--pretrained", "x"), "`--objective vectors` cannot be combined with"),
        (("--objective", "vectors", "--carry_state"), "`--objective vectors` cannot be combined with"),
        (("--packed", "a.npz", "--dataset", "b.csv"), "`--packed` replaces `--dataset`"),
        (("--push_to_hub",), "Only classifiers are pushed to the Hub"),
    ],
)
def test_bad_input_is_one_sentence(command, table, tmp_path, options, sentence):
    options = [str(table) if option == "TABLE" else option for option in options]
    done = command("pretrain", *options, "--output_dir", tmp_path / "lm")
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_interrupted_pretraining_is_resumed_on_request(command, lines, tmp_path, monkeypatch):
    options = ("pretrain", "--dataset", lines, "--output_dir", tmp_path / "lm", *SIZE_OPTIONS, *STEPS)
    save = Trainer._save_checkpoint

    def save_and_end(self, *args, **kwargs):
        save(self, *args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_checkpoint", save_and_end)
        assert "interrupted" in command(*options).stderr
    done = command(*options)
    assert done.returncode == 1 and "--resume_from_checkpoint last" in done.stderr
    (checkpoint,) = (tmp_path / "lm").glob("checkpoint-*")
    before = TrainerState.load_from_json(checkpoint / "trainer_state.json")
    done = command(*options, "--resume_from_checkpoint", "last")
    assert done.returncode == 0, done.stderr
    after = TrainerState.load_from_json(tmp_path / "lm" / "trainer_state.json")
    assert 0 < before.global_step < after.global_step == 20
    assert after.log_history[: len(before.log_history)] == before.log_history


@pytest.mark.slow
def test_two_processes_pretrain_and_learn_from_a_teacher(table, lines, tmp_path):
    def launch(name, *options):
        launcher = [
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            2,
            ROOT / "scripts" / f"{name}.py",
        ]
        words = [sys.executable, *launcher, *options, "--output_dir", tmp_path / name]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / name / "metrics.json").read_text())

    assert "steps" not in launch("pretrain", "--dataset", lines, "--objective", "vectors")["training"]
    assert launch("pretrain", "--dataset", lines, *SIZE_OPTIONS, *STEPS)["training"]["steps"] == 20
    start = ("--pretrained", tmp_path / "pretrain", "--teacher", "linear")
    record = launch("train", "--dataset", table, *start, *SHORT_OPTIONS)
    assert record["figures"]["test"]["model"]["accuracy"] > 0.9


def test_help_fits_on_a_screen():
    shown = TrainingParser(PRETRAINING_GROUPS, SECTIONS, "pretrain", "What it does.").format_help()
    assert len(shown.splitlines()) <= 60 and max(map(len, shown.splitlines())) <= 120 and "None" not in shown
