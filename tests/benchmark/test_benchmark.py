import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark.py"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(SCRIPT.parent))  # as the interpreter does for a script, which takes it away again
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def setting(benchmark):
    texts = [f"a {opinion} film, number {i} " * (1 + i % 7) for i in range(40) for opinion in ("good", "bad")]
    return benchmark["Setting"](texts, [0, 1] * 40, "cpu", 1, True)


@pytest.mark.parametrize("name", ["train", "limit", "score", "latency", "scaling", "tokenize", "start"])
def test_every_suite_runs_in_its_smallest_form(benchmark, setting, name):
    rows = benchmark["SUITES"][name](setting)
    assert rows and all(row.value >= 0 and row.unit for row in rows)
    assert len({row.name for row in rows}) == len(rows)
    # A ratio and what it is to come together, and each suite that has a rival gives one.
    assert all((row.ratio is None) == (row.reference is None) for row in rows)
    if name not in ("tokenize", "start"):
        assert any(row.ratio for row in rows)


def test_contestants_take_turns_after_one_to_warm_up(benchmark, setting, monkeypatch):
    turns = []
    twice = replace(setting, repeats=2)
    contestants = {"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}
    twice.take_turns(contestants)
    assert turns == ["a", "b"] * 3
    turns.clear()
    monkeypatch.setitem(benchmark["Setting"].take_turns.__globals__, "LONG_TURN", -1)  # all are too long to warm up
    twice.take_turns(contestants)
    assert turns == ["a", "b"] * 2


def test_table_and_json(benchmark, setting, monkeypatch, tmp_path, capsys):
    rows = [benchmark["Row"]("ours", 20_000.4, "tokens/s", 4.0, "theirs"), benchmark["Row"]("theirs", 5.25, "tokens/s")]
    lines = benchmark["format_table"](rows).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        "ours",
        "20,000",
        "tokens/s",
        "4.00 ×",
        "theirs",
    ]
    assert [cell.strip() for cell in lines[3].strip("|").split("|")] == ["theirs", "5.25", "tokens/s", "", ""]
    monkeypatch.setitem(benchmark["SUITES"], "latency", lambda setting: rows)
    figures = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "latency", "--smallest", "--json", str(figures)])
    benchmark["main"].__globals__["SUITES"]["latency"].__doc__ = "One line."
    benchmark["main"]()
    written = json.loads(figures.read_text())
    assert [row["value"] for row in written] == [20_000.4, 5.25]
    assert written[0]["ratio"] == 4.0 and written[0]["suite"] == "latency" and "torch" in written[0]["machine"]
    assert "ours" in capsys.readouterr().out
