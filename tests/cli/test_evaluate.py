import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file


def test_one_classifier(command, trained, table, tmp_path):
    folder, _ = trained
    figures = tmp_path / "figures.json"
    done = command("evaluate", "--model", folder, "--dataset", table, "--json", figures, "--plot", tmp_path / "p.png")
    assert done.returncode == 0, done.stderr
    assert "300 texts" in done.stdout and json.loads(figures.read_text())["accuracy"] > 0.9
    assert (tmp_path / "p.png").stat().st_size > 1000
    absent = command("evaluate", "--model", folder, "--dataset", table, "--split", "dev")
    assert absent.returncode == 1 and "has no split 'dev'" in absent.stderr


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
    assert sorted(bool(line.split("\t")[0]) for line in done.stdout.splitlines()) == [False, True]


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
