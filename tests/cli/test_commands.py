import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from helpers import ROOT

from hf_lstm import LstmConfig
from hf_lstm.cli.commands import COMMANDS, load_command, main, run_command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0 and f"hf-lstm {name}" in capsys.readouterr().out


def test_usage_lists_the_commands(capsys):
    for words in ([], ["--help"]):
        main(words)
        printed = capsys.readouterr().out
        assert all(f"  {name} " in printed for name in COMMANDS)
    main(["--version"])
    assert capsys.readouterr().out == "0.1.0\n"
    with pytest.raises(SystemExit) as ended:
        main(["tarin"])
    assert "no command 'tarin'" in ended.value.code


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (lambda argv: int("x"), "error: invalid literal for int"),
        (lambda argv: Path("/nowhere/at/all").read_text(), "No such file"),
        (lambda argv: LstmConfig(pooling="maxx"), "pooling"),
        (lambda argv: import_module("absent_package"), "error: No module named 'absent_package'."),
    ],
)
def test_invalid_input_ends_in_one_line(monkeypatch, body, sentence):
    monkeypatch.setattr("hf_lstm.cli.commands.load_command", lambda name: body)
    with pytest.raises(SystemExit) as ended:
        run_command("train", [])
    assert sentence in ended.value.code and "\n" not in ended.value.code


@pytest.mark.parametrize(
    ("name", "processes", "rank", "printed"),
    [
        ("train", 2, 0, "text\n"),
        ("train", 2, 1, ""),
        ("pretrain", 2, 1, ""),
        ("predict", 2, 1, "text\n"),  # each process may classify its own file
        ("train", 1, 1, "text\n"),
    ],
)
def test_only_the_first_process_of_a_training_prints(monkeypatch, capsys, name, processes, rank, printed):
    monkeypatch.setattr("hf_lstm.cli.commands.load_command", lambda name: lambda argv: print("text"))
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # is restored after the test
    run_command(name, [])
    assert capsys.readouterr().out == printed


def test_unknown_command_is_refused():
    with pytest.raises(ValueError, match="There is no command 'tarin'; choose one of train, predict"):
        load_command("tarin")


def test_other_errors_keep_their_traceback(monkeypatch):
    monkeypatch.setattr("hf_lstm.cli.commands.load_command", lambda name: lambda argv: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_command("train", [])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_script(name):
    script = ROOT / "scripts" / ("evaluate_model.py" if name == "evaluate" else f"{name}.py")
    source = script.read_text(encoding="utf-8")
    assert f'run_command("{name}")' in source and source.count("\n") < 10
    assert load_command(name).__module__ == f"hf_lstm.cli.{name}"


def test_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "hf_lstm", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "0.1.0\n", done.stderr
