import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hf_lstm.cli.arguments import command_line, parse_arguments, run

from hf_lstm import LstmConfig


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (lambda: int("x"), "error: invalid literal for int"),
        (Path("/nowhere/at/all").read_text, "error: .*No such file"),
        (lambda: LstmConfig(pooling="maxx"), "error: .*'pooling'.*expected one of"),
    ],
)
def test_bad_input_ends_in_one_sentence(body, sentence):
    with pytest.raises(SystemExit) as ended:
        run(body)
    assert isinstance(ended.value.code, str)
    assert re.match(sentence, ended.value.code, re.DOTALL)


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)


@dataclass
class First:
    name: str = field(default="none", metadata={"help": "A name."})
    many: list[str] | None = field(default=None, metadata={"help": "Several."})


@dataclass
class Second:
    count: int = field(default=1, metadata={"help": "A number."})
    on: bool = field(default=False, metadata={"help": "A switch."})


def parse(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["scripts/tool.py", *map(str, arguments)])
    return parse_arguments((First, Second), "What it does.")


def test_arguments_come_from_flags(monkeypatch):
    assert parse(monkeypatch) == (First(), Second())
    found = parse(monkeypatch, "--count", 3, "--many", "a", "b", "--on", "true")
    assert found == (First(many=["a", "b"]), Second(3, True))


@pytest.mark.parametrize("name", ["run.json", "run.yaml", "run.yml"])
def test_arguments_come_from_a_file(monkeypatch, tmp_path, name):
    (tmp_path / name).write_text(json.dumps({"name": "x", "many": ["a"], "count": 2, "on": True}))
    assert parse(monkeypatch, tmp_path / name) == (First("x", ["a"]), Second(2, True))


def test_unknown_and_malformed_flags_are_refused_with_the_usage(monkeypatch, capsys):
    for arguments, sentence in ((("--cuont", "3"), "unknown: --cuont 3"), (("--count", "three"), "invalid int value")):
        with pytest.raises(SystemExit) as ended:
            parse(monkeypatch, *arguments)
        printed = capsys.readouterr().err
        assert ended.value.code == 2 and sentence in printed and "tool.py FILE.yaml" in printed
    with pytest.raises(SystemExit) as ended:
        parse(monkeypatch, "--help")
    printed = capsys.readouterr().out
    assert ended.value.code == 0 and "What it does." in printed and "A number." in printed


def test_command_is_as_it_was_typed_but_for_the_token(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["scripts/train.py", "--dataset", "my file.csv", "--hub_token", "hf_secret"])
    assert command_line(None) == "python scripts/train.py --dataset 'my file.csv' --hub_token hf_secret"
    assert command_line("hf_secret") == "python scripts/train.py --dataset 'my file.csv' --hub_token ***"
