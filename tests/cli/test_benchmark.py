import json

import pytest

from hf_lstm.benchmark import SUITES, Row
from hf_lstm.cli.benchmark import main, parse


def measure_nothing(setting):
    """Measure nothing."""
    return [
        Row(f"{len(setting.texts)} texts", 20_000.4, "tokens/s", 4.0, "textbook"),
        Row("textbook", 5.25, "tokens/s"),
    ]


def test_results_are_printed_and_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(SUITES, "latency", measure_nothing)
    path = tmp_path / "results.json"
    main(["latency", "--smallest", "--threads", "1", "--json", str(path)])
    printed = capsys.readouterr().out
    assert "instruction sets" in printed and "latency: Measure nothing.\n" in printed and "200 texts" in printed
    first, second = json.loads(path.read_text())
    assert (first["value"], first["ratio"], first["suite"]) == (20_000.4, 4.0, "latency")
    assert second["ratio"] is None and "torch" in second["machine"]
    assert "\nThe sizes are tiny: the results show only that the suites run.\n" in printed


def test_results_of_finished_suites_are_kept_when_a_later_suite_fails(monkeypatch, tmp_path):
    def fail(setting):
        raise KeyboardInterrupt

    monkeypatch.setitem(SUITES, "latency", measure_nothing)
    monkeypatch.setitem(SUITES, "guard", fail)
    path = tmp_path / "results.json"
    with pytest.raises(KeyboardInterrupt):
        main(["latency", "guard", "--smallest", "--threads", "1", "--json", str(path)])
    assert [row["suite"] for row in json.loads(path.read_text())] == ["latency", "latency"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speed"], "there is no suite 'speed'; choose from train, limit"),
        (["--repeats", "0"], "--repeats must be at least 1, got 0"),
        (["--device", "cuda"], "--device cuda requires a GPU that torch can use, and there is none"),
        (["--json", "no-folder/results.json"], "there is no folder no-folder for --json"),
    ],
)
def test_wrong_arguments_are_reported(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_threads_are_those_of_torch_by_default(monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)  # as after OMP_NUM_THREADS=7
    assert parse([]).threads == 7


def test_dataset_with_three_classes_is_rejected(tmp_path):
    path = tmp_path / "three.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{'abc'[i % 3]}\n" for i in range(60)))
    with pytest.raises(ValueError, match="has 3 labels .* needs two classes with one per text"):
        main(["latency", "--smallest", "--dataset", str(path)])
