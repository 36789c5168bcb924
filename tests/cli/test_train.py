import json
import subprocess
import sys

import numpy as np
import pytest
from helpers import OPINIONS, ROOT, SHORT_OPTIONS, SIZE_OPTIONS

from hf_lstm.inference import load_model_and_tokenizer, predict_texts, probabilities


def test_training_writes_a_complete_folder(trained):
    folder, printed = trained
    expected = ["README.md", "config.json", "learning_curve.png", "metrics.json", "model.safetensors"]
    expected += ["calibration.png", "predictions.png", "tokenizer.json", "tokenizer_config.json", "trainer_state.json"]
    expected += [path.name for path in (ROOT / "hf_lstm" / "models").glob("*_lstm.py") if "causal" not in path.name]
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
    record = json.loads((folder / "metrics.json").read_text())
    assert record["figures"]["test"]["model"]["accuracy"] > 0.9
    assert record["figures"]["test"]["baseline"]["accuracy"] > 0.5
    assert record["training"]["command"].startswith("hf-lstm train --dataset")
    assert "TF-IDF + LR" in printed and "Accuracy" in printed and "earlier model" not in printed


def test_defaults_that_depend_on_the_data_are_printed_and_recorded(trained):
    folder, printed = trained
    chosen = json.loads((folder / "metrics.json").read_text())["training"]["defaults"]
    assert chosen == {
        "label_smoothing": 0.1,
        "vectors": "cooccurrence",
        "adversarial_size": 0.5,
        "metric_for_best_model": "accuracy",
    }
    # Five tokens in each of 240 training texts: [CLS], opinion, thing, "number" and the number.
    assert "Defaults for 1,200 training tokens (a small corpus): label_smoothing 0.1" in printed


def test_a_log_file_has_lines_and_no_progress_bars(trained):
    folder, printed = trained
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    evaluations = [entry for entry in history if "eval_loss" in entry]
    assert "\r" not in printed and "it/s" not in printed
    assert sum(line.startswith("epoch") for line in printed.splitlines()) == len(evaluations) > 4


def test_pipeline_in_a_new_process_gives_the_same_scores(trained):
    folder, _ = trained
    texts = [*OPINIONS[:20], "", "good " * 3000]
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--dataset", "./absent.csv"), "error: There is no file or folder ./absent.csv."),
        (("--dataset", "TABLE", "--text_column", "nope"), "has no column 'nope'; its columns are: review, sentiment"),
        (("--dataset", "TABLE", "--pretrained", "./absent"), "error: There is no folder ./absent."),
        (("--dataset", "TABLE", "--pretrained", "FOLDER", "--hidden_size", 9), "its own layers: remove hidden_size."),
        (("--dataset", "TABLE", "--teacher", "./absent"), "error: There is no folder ./absent."),
        (("--dataset", "TABLE", "--teacher", "TABLE"), "has no column 'text'"),
        (("--dataset", "TABLE", "--layer_decay", 2), "error: `layer_decay` must be above 0 and at most 1"),
        (("--dataset", "TABLE", "--tokenizer", "./absent"), "word or the folder of a saved tokenizer, got './absent'"),
        (("--dataset", "TABLE", "--metric_for_best_model", "f1"), "must be one of loss, accuracy, f1_macro"),
        (("--dataset", "TABLE", "--passage_words", 5), "`--passage_words` require `--teacher`"),
    ],
)
def test_bad_input_is_one_sentence(command, trained, table, tmp_path, arguments, sentence):
    places = {"TABLE": str(table), "FOLDER": str(trained[0])}
    arguments = [places.get(argument, argument) for argument in arguments]
    done = command("train", *arguments, "--output_dir", tmp_path / "run")
    assert done.returncode == 1
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_options_from_a_yaml_file(command, table, tmp_path):
    options = {"dataset": str(table), "output_dir": str(tmp_path / "run"), "hidden_size": 8, "embedding_size": 8}
    options |= {"num_train_epochs": 1, "baseline": False, "tokenizer": "bpe", "vocab_size": 300, "cell_type": "gru"}
    # YAML reads 3e-3 as text, and no as false.
    more = "\nlearning_rate: 3e-3\nbidirectional: no\n"
    (tmp_path / "run.yaml").write_text("\n".join(f"{name}: {json.dumps(options[name])}" for name in options) + more)
    done = command("train", tmp_path / "run.yaml")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["cell_type"] == "gru"
    assert not json.loads((tmp_path / "run" / "config.json").read_text())["bidirectional"]
    assert "TF-IDF" not in done.stdout


def test_help_fits_on_a_screen_and_shows_actual_defaults(command):
    shown = command("train", "--help").stdout
    assert len(shown.splitlines()) <= 60 and max(map(len, shown.splitlines())) <= 120
    assert "None" not in shown
    assert "--cell_type {lstm,gru,rnn}" in shown and "(default: lstm)" in shown and "--[no_]bidirectional" in shown
    everything = command("train", "--help_all").stdout
    assert all(option in everything for option in ("--gradient_accumulation_steps", "--report_to", "--cell_type"))


def test_teachers_label_more_texts_or_the_training_texts(command, trained, table, lines, tmp_path):
    rows = [json.dumps({"text": f"a {text}", "bad": "bad" in text, "good": "good" in text}) for text in OPINIONS]
    predicted = tmp_path / "predicted.jsonl"
    predicted.write_text("\n".join(rows) + "\n")
    teachers = (trained[0], predicted, "linear")
    arguments = ("--dataset", table, "--output_dir", tmp_path / "taught", *SIZE_OPTIONS, *SHORT_OPTIONS)
    done = command("train", *arguments, "--teacher", *teachers, "--unlabelled", lines)
    assert done.returncode == 0, done.stderr
    assert "300" in done.stdout and ", ".join(map(str, teachers)) in done.stdout
    record = json.loads((tmp_path / "taught" / "metrics.json").read_text())
    assert record["splits"]["train"] == 240 + 300 and record["figures"]["test"]["model"]["accuracy"] > 0.9
    averaged = ("--dataset", table, "--output_dir", tmp_path / "averaged", *SIZE_OPTIONS, *SHORT_OPTIONS)
    done = command("train", *averaged, "--teacher", trained[0], "linear")
    assert done.returncode == 0, done.stderr
    assert "240 training texts" in done.stdout
    missing = command("train", *arguments, "--teacher", predicted)
    assert missing.returncode == 1 and "240 of 240 texts" in missing.stderr


def test_a_saved_tokenizer_is_used(command, table, lines, tmp_path):
    done = command("tokenizer", "--dataset", lines, "--output_dir", tmp_path / "tokenizer", "--kind", "bpe")
    assert done.returncode == 0, done.stderr
    arguments = ("--dataset", table, "--output_dir", tmp_path / "run", *SIZE_OPTIONS, *SHORT_OPTIONS)
    done = command("train", *arguments, "--tokenizer", tmp_path / "tokenizer")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "tokenizer.json").read_text() == (tmp_path / "tokenizer" / "tokenizer.json").read_text()
    refused = command("train", *arguments, "--tokenizer", tmp_path / "tokenizer", "--vocab_size", 50)
    assert refused.returncode == 1 and "has its own vocabulary: remove vocab_size" in refused.stderr
