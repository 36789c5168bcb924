from dataclasses import dataclass
from typing import Literal

import pandas as pd
import pytest

from hf_lstm.training.options import arguments_from_call, build_arguments, format_call


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
    [("cuont", r"f\(\) has no option 'cuont'; did you mean 'count'\?"), ("zzzz", r"f\(\) has no option 'zzzz'$")],
)
def test_unknown_option_suggests_the_closest_one(name, message):
    with pytest.raises(TypeError, match=message):
        build_arguments((First, Second), {name: 1}, "f")


def test_option_with_listed_values_is_checked():
    with pytest.raises(ValueError, match="`kind` must be one of 'a', 'b', got 'c'"):
        build_arguments((First, Second), {"kind": "c"}, "f")


def test_call_is_recorded_without_data_and_token():
    assert format_call("f", None, {}) == "f()"
    assert format_call("f", "a.csv", {"count": 3, "kind": "b"}) == "f('a.csv', count=3, kind='b')"
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
