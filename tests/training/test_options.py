import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest

from hf_lstm.training.options import announce_replacement, arguments_from_call, build_arguments, format_call


@dataclass
class First:
    name: str = "none"
    kind: Literal["a", "b"] | None = None


@dataclass
class Second:
    count: int = 1


def test_options_are_distributed_by_name():
    assert build_arguments((First, Second), {}, "f") == (First(), Second())
    assert build_arguments((First, Second), {"count": 3, "kind": "b"}, "f") == (First(kind="b"), Second(3))
    assert build_arguments((First,), {"kind": None}, "f") == (First(),)


@pytest.mark.parametrize(
    ("name", "message"),
    [("cuont", r"f has no option 'cuont'; did you mean 'count'\?"), ("zzzz", r"f has no option 'zzzz'$")],
)
def test_unknown_option_suggests_the_closest_one(name, message):
    with pytest.raises(TypeError, match=message):
        build_arguments((First, Second), {name: 1}, "f")


def test_option_with_listed_values_is_checked():
    with pytest.raises(ValueError, match="`kind` must be one of 'a', 'b', got 'c'"):
        build_arguments((First, Second), {"kind": "c"}, "f")


@dataclass
class Typed:
    rate: float = 0.5
    size: int | None = None
    on: bool = False
    when: str = "epoch"
    columns: list[str] | None = None
    more: dict | str | None = None
    cell: str | None = field(default=None, metadata={"choices": ["lstm", "gru"]})
    kind: Literal["a", "b"] | None = None
    place: str | Literal[False] | None = None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rate", "3e-3", 0.003),  # YAML reads 3e-3 as text
        ("rate", 2, 2),
        ("rate", None, 0.5),
        ("size", "1e3", 1000),
        ("size", 8.0, 8),
        ("size", None, None),
        ("on", "yes", True),
        ("on", "false", False),
        ("when", False, "no"),  # YAML reads no as false
        ("when", True, True),
        ("when", 2020, "2020"),
        ("columns", ["a", 1, Path("b")], ["a", "1", "b"]),
        ("columns", "a", "a"),
        ("more", {"a": 1}, {"a": 1}),
        ("more", Path("a/b.json"), "a/b.json"),
        ("cell", "gru", "gru"),
        ("kind", "b", "b"),
        ("place", "owner/name", "owner/name"),
        ("place", False, False),
        ("when", "~/a.csv", str(Path.home() / "a.csv")),
        ("when", "~", "~"),  # a separator
    ],
)
def test_values_are_converted_to_the_type_of_the_field(name, value, expected):
    (built,) = build_arguments((Typed,), {name: value}, "f")
    assert getattr(built, name) == expected and type(getattr(built, name)) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rate", "fast", "`rate` must be a number, got 'fast'."),
        ("rate", True, "`rate` must be a number, got True."),
        ("rate", [1], "`rate` must be a number, got [1]."),
        ("size", "2.5", "`size` must be a whole number, got '2.5'."),
        ("size", float("inf"), "`size` must be a whole number, got inf."),
        ("on", "maybe", "`on` must be true or false, got 'maybe'."),
        ("when", ["a"], "`when` must be one value, got ['a']."),
        ("when", {"train": "a.csv"}, "`when` must be one value, got {'train': 'a.csv'}."),
        ("cell", "gnu", "`cell` must be one of 'lstm', 'gru', got 'gnu'."),
        ("kind", True, "`kind` must be one of 'a', 'b', got True."),
    ],
)
def test_values_of_another_type_are_refused(name, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build_arguments((Typed,), {name: value}, "f")


def test_call_is_recorded_without_data_and_token():
    assert format_call("f", None, {}) == "f()"
    assert format_call("f", "a.csv", {"count": 3.0, "kind": "b"}) == "f('a.csv', count=3, kind='b')"
    options = {"teacher": [Path("a"), "b"], "unlabelled": Path("c.csv")}
    assert format_call("f", Path("a.csv"), options) == "f('a.csv', teacher=['a', 'b'], unlabelled='c.csv')"
    teachers = {"teacher": [format_call, object(), "b"], "teacher_labels": {"a": "b"}}
    assert format_call("f", None, teachers) == "f(teacher=[format_call, <object>, 'b'], teacher_labels={'a': 'b'})"
    options = {"hub_token": "hf_secret", "unlabelled": pd.DataFrame()}
    assert format_call("f", pd.DataFrame(), options) == "f(<DataFrame>, hub_token='***', unlabelled=<DataFrame>)"


def test_call_is_converted_and_formatted():
    call, (first, second) = arguments_from_call([First, Second], "a.csv", None, {"count": 3}, "train")
    assert call == "train('a.csv', count=3)" and (first, second) == (First(), Second(3))
    with pytest.raises(TypeError, match=r"train\(\) got both `data` and `dataset`; remove one"):
        arguments_from_call([First, Second], "a.csv", None, {"dataset": "b.csv"}, "train")


def test_output_folder_of_a_call_is_an_option(tmp_path):
    @dataclass
    class Output:
        output_dir: str = ""

    call, (output,) = arguments_from_call([Output], None, tmp_path, {}, "train")
    assert output.output_dir == str(tmp_path) and call == "train()"


def test_a_model_that_will_be_replaced_is_announced(tmp_path, capsys):
    announce_replacement(str(tmp_path))
    announce_replacement(str(tmp_path / "absent"))
    assert capsys.readouterr().out == ""
    (tmp_path / "config.json").write_text("{}")
    announce_replacement(str(tmp_path))
    assert capsys.readouterr().out.startswith(f"{tmp_path} has an earlier model, which this training will replace; ")
