import json

import pytest

from hf_lstm.benchmark import SUITES, Row
from hf_lstm.cli.benchmark import main


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speed"], "there is no suite 'speed'; choose from train, limit"),
        (["--repeats", "0"], "--repeats must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_reported(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_dataset_with_three_classes_is_rejected(tmp_path):
    path = tmp_path / "three.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{'abc'[i % 3]}\n" for i in range(60)))
    with pytest.raises(ValueError, match="has 3 labels .* needs two classes with one per text"):
        main(["latency", "--smallest", "--dataset", str(path)])
