from dataclasses import replace
from functools import partial

import torch

from hf_lstm.benchmark import timing
from hf_lstm.benchmark.timing import Row, format_table, instruction_sets


def test_contestants_alternate_and_the_first_turn_is_not_counted(setting):
    calls = []
    seconds = replace(setting, repeats=2).median_seconds(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    )
    assert calls == ["a", "b"] * 3 and list(seconds) == ["a", "b"]
    calls.clear()
    counted = setting.run_in_turns({"a": lambda: calls.append("a")}, repeats=4, warm_up=2)
    assert len(calls) == 6 and len(counted["a"]) == 4


def test_long_runs_are_counted_from_the_first_turn(setting, monkeypatch):
    monkeypatch.setattr(timing, "LONG_RUN", -1)  # every run is longer
    calls = []
    replace(setting, repeats=2).median_seconds({name: partial(calls.append, name) for name in "ab"})
    assert calls == ["a", "b"] * 2


def test_seconds_are_the_median_of_the_counted_runs(setting, monkeypatch):
    # Start and end of four runs: 9 seconds to warm up, less than LONG_RUN = 10, then 3, 1 and 2 seconds.
    monkeypatch.setattr(timing, "LONG_RUN", 10)
    clock = iter([0, 9, 10, 13, 20, 21, 30, 32])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert replace(setting, repeats=3).median_seconds({"a": lambda: None}) == {"a": 2}


def test_table_shows_each_row_with_its_ratio():
    rows = [Row("hf_lstm", 20_000.4, "tokens/s", 4.0, "textbook"), Row("textbook", 5.25, "tokens/s")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in format_table(rows).splitlines()]
    assert cells[0] == ["", "value", "unit", "ratio", "compared with"]
    assert cells[2] == ["hf_lstm", "20,000", "tokens/s", "4.00 ×", "textbook"]
    assert cells[3] == ["textbook", "5.25", "tokens/s", "", ""]


def test_instruction_sets_start_with_what_torch_uses():
    assert instruction_sets().split(", ")[0] == torch.backends.cpu.get_cpu_capability()
