import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from hf_lstm.cli import evaluate


def test_one_classifier(command, trained, table, tmp_path):
    folder, _ = trained
    figures = tmp_path / "figures.json"
    done = command("evaluate", "--model", folder, "--dataset", table, "--json", figures, "--plot", tmp_path / "p.png")
    assert done.returncode == 0, done.stderr
    assert "300 texts" in done.stdout and json.loads(figures.read_text())["accuracy"] > 0.9
    assert (tmp_path / "p.png").stat().st_size > 1000
    absent = command("evaluate", "--model", folder, "--dataset", table, "--split", "dev")
    assert absent.returncode == 1 and "has no split 'dev'" in absent.stderr


def test_folders_of_the_outputs_are_created_before_anything_is_read(tmp_path):
    (tmp_path / "a_file").write_text("")
    with pytest.raises(OSError, match="a_file"):
        evaluate.main(["--model", str(tmp_path / "absent"), "--json", str(tmp_path / "a_file" / "figures.json")])
    with pytest.raises(OSError, match="absent"):
        evaluate.main(["--model", str(tmp_path / "absent"), "--json", str(tmp_path / "new" / "figures.json")])
    assert (tmp_path / "new").is_dir()


def test_the_average_of_two(command, trained, table, tmp_path):
    folder, _ = trained
    other = tmp_path / "undecided"  # a head of zeros predicts 1/2 for each label
    shutil.copytree(folder, other)
    weights = load_file(other / "model.safetensors")
    save_file(
        {name: value * ("classifier" not in name) for name, value in weights.items()},
        other / "model.safetensors",
        metadata={"format": "pt"},
    )
    done = command("evaluate", "--model", folder, other, "--dataset", table, "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    assert "average" in done.stdout and "95 % interval" in done.stdout and "Log loss" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["average"]["accuracy"] == figures[str(folder)]["accuracy"] > figures[str(other)]["accuracy"]
    assert figures[str(other)]["log_loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert figures[str(folder)]["log_loss"] < figures["average"]["log_loss"] < np.log(2)


def test_precision_by_coverage_and_at_the_thresholds(command, trained, table, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"threshold": [0.1, 1.0]}))
    options = ("--plot_calibration", tmp_path / "new" / "calibration.png")
    done = command("evaluate", "--model", folder, "--dataset", table, *options)
    assert done.returncode == 0, done.stderr
    assert "Perfectly calibrated scores" in done.stdout and "| 50%" in done.stdout
    assert "At the thresholds of the model:" in done.stdout and "| never" in done.stdout
    assert options[1].stat().st_size > 1000
    done = command("predict", "--model", folder, "good film number 1", "bad film number 1")
    assert sorted(line.split("\t")[0] == "(no label)" for line in done.stdout.splitlines()) == [False, True]


@pytest.mark.parametrize("rows", [["good film"], ["good film", "bad film"], ["good film"] * 9])
def test_any_number_of_rows_and_classes(command, trained, tmp_path, rows):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{text.split()[0]}\n" for text in rows))
    options = ("--json", tmp_path / "figures.json", "--plot", tmp_path / "plot.png")
    done = command("evaluate", "--model", trained[0], "--dataset", path, *options)
    assert done.returncode == 0, done.stderr
    assert f"Evaluated on {len(rows)} row" in done.stdout and "split" not in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["accuracy"] == 1 and all(np.isfinite(value).all() for value in figures.values())


def test_early_decisions_with_and_without_a_stored_rule(command, streaming_folder, table, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(streaming_folder, folder)
    data = ("--dataset", table, "--json", tmp_path / "figures.json")
    none = command("evaluate", "--model", folder, *data, "--early")
    assert none.returncode == 0 and "The model has no stop rule: name a label" in none.stdout
    assert "| Text read | Accuracy |" in none.stdout
    assert json.loads((tmp_path / "figures.json").read_text())["early"]["stop_rule"] is None

    named = command("evaluate", "--model", folder, *data, "--early", "bad", "--plot_early", tmp_path / "new" / "p.png")
    assert named.returncode == 0 and "so that its figures are optimistic" in named.stdout
    assert (tmp_path / "new" / "p.png").stat().st_size > 1000
    assert json.loads((folder / "config.json").read_text())["stop_rule"] is None

    (folder / "onnx").mkdir()
    fitted = command("evaluate", "--model", folder, *data, "--stop_false_alarms", "bad=0.02")
    assert fitted.returncode == 0, fitted.stderr
    assert f"It is stored in {folder}. Export the model again" in fitted.stdout and "Text read" not in fitted.stdout
    rule = json.loads((folder / "config.json").read_text())["stop_rule"]
    assert rule["label"] == "bad"

    stored = command("evaluate", "--model", folder, *data, "--early")
    assert "Stop rule of the model: 'bad' has a probability of at least" in stored.stdout
    early = json.loads((tmp_path / "figures.json").read_text())["early"]
    # floor(0.02 * 151) - 1 = 2 of 150 texts without the label.
    assert early["stop_rule"] == rule and early["rows"][-1]["false_alarms"] <= 2 / 150
    assert f"if the text is predicted as 'bad': {early['median_share_read']:.0%}." in stored.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plot_early", "p.png"), "--plot_early requires --early"),
        (("--early", "great"), "--early great: the model has the labels bad, good"),
        (("--early", "bad", "--stop_false_alarms", "bad=0.1"), "--stop_false_alarms names the label"),
        (("--stop_false_alarms", "0.1"), "must be LABEL=0.01"),
        (("--stop_false_alarms", "bad=0.1", "--split", "test"), "must not be fitted to the test split"),
    ],
)
def test_options_on_early_decisions_that_do_not_fit(command, streaming_folder, table, options, message):
    done = command("evaluate", "--model", streaming_folder, "--dataset", table, *options)
    assert done.returncode != 0 and message in done.stderr
    assert not done.stdout  # nothing was evaluated


def test_early_decisions_need_one_forward_model(command, trained, streaming_folder, table):
    two = command("evaluate", "--model", streaming_folder, streaming_folder, "--dataset", table, "--early")
    assert "need one model" in two.stderr
    backward = command("evaluate", "--model", trained[0], "--dataset", table, "--early")
    assert backward.returncode == 1 and "reads texts from their end" in backward.stderr
