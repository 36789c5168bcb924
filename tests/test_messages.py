import io
import sys
from types import SimpleNamespace

import datasets
import pytest

from hf_lstm.messages import (
    capitalize,
    format_count,
    format_names,
    library_progress_bars,
    markdown_table,
    one_line,
    plain_number,
    progress_bar,
    show_progress,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def write_to(monkeypatch):
    """Replaces stderr; it is called inside the test because pytest replaces stderr as well, before each test."""

    def replace(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
        return stream

    return replace


def test_one_line_joins_lines_and_drops_the_full_stop():
    assert one_line(ValueError("First line\n  second line.")) == "First line second line"
    assert one_line(KeyError()) == "KeyError"


def test_capitalize_keeps_the_other_letters():
    assert capitalize("the train split of My.csv") == "The train split of My.csv"
    assert capitalize("") == ""


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2_000, "2,000 rows")])
def test_format_count(number, text):
    assert format_count(number, "row") == text


def test_format_names_counts_the_names_that_it_leaves_out():
    assert format_names(["a", "b"]) == "a, b"
    assert format_names([str(i) for i in range(1_022)], limit=2) == "0, 1 and 1,020 more"


def test_markdown_table_is_aligned():
    assert markdown_table([["name", "n"], ["a", "1000"]]).split("\n") == [
        "| name | n    |",
        "|------|------|",
        "| a    | 1000 |",
    ]


def test_progress_is_shown_on_a_terminal(write_to):
    write_to(Terminal())
    assert show_progress()
    assert not progress_bar(total=3).disable
    assert progress_bar(False, total=3).disable


def test_progress_is_not_shown_in_a_log_file(write_to):
    log_file = write_to(io.StringIO())
    assert not show_progress()
    with progress_bar(total=3) as bar:
        bar.update(3)
    assert bar.disable and log_file.getvalue() == ""


def test_progress_is_shown_in_a_notebook_but_not_by_ipython_with_redirected_output(write_to, monkeypatch):
    write_to(io.StringIO())
    for config, shown in (({"IPKernelApp": {}}, True), ({}, False)):
        shell = SimpleNamespace(config=config)
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert show_progress() == shown
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not show_progress()


def test_progress_without_stderr(write_to):
    write_to(None)
    assert not show_progress()


def test_floats_without_a_fraction_are_whole_numbers():
    assert list(map(repr, map(plain_number, (2.0, 0.5, 1e-5, 3, True, "2.0")))) == [
        "2",
        "0.5",
        "1e-05",
        "3",
        "True",
        "'2.0'",
    ]


def test_bars_of_datasets_are_hidden_in_a_log_file_and_the_setting_is_restored(write_to):
    write_to(io.StringIO())
    datasets.enable_progress_bars()
    with pytest.raises(KeyError), library_progress_bars():
        assert datasets.are_progress_bars_disabled()
        raise KeyError
    assert not datasets.are_progress_bars_disabled()


def test_bars_of_datasets_stay_as_the_user_set_them(write_to):
    write_to(Terminal())
    datasets.disable_progress_bars()
    try:
        with library_progress_bars():
            assert datasets.are_progress_bars_disabled()
        assert datasets.are_progress_bars_disabled()
    finally:
        datasets.enable_progress_bars()
