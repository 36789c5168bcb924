"""Time contestants in turns and format the results."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch

from ..messages import markdown_table

# Seconds. A run that takes longer than this needs no separate warm-up: the first call adds little to it.
LONG_RUN = 5.0


@dataclass(frozen=True)
class Row:
    """
    One result of a suite.

    Args:
        name: What was measured.
        value: The result, in `unit`.
        unit: Unit of `value`.
        ratio: How many times better the result is than that of `reference`.
        reference: Name of the result that `ratio` compares with.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Setting:
    """
    Texts, device and number of repetitions that all suites share.

    Args:
        texts: Texts to train on and to score.
        labels: Class id of each text, 0 or 1.
        device: `"cpu"` or `"cuda"`.
        repeats: Timed runs of each contestant.
        smallest: Use tiny sizes, to check that a suite runs. The results then mean nothing.
    """

    texts: list[str]
    labels: list[int]
    device: str
    repeats: int
    smallest: bool

    def synchronize(self) -> None:
        """Wait until the device has finished all work."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        """Return the wall-clock seconds of one call."""
        self.synchronize()
        start = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - start

    def run_in_turns(
        self, contestants: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1
    ) -> dict[str, list[float]]:
        """
        Time contestants alternately, so that other load on the machine affects all of them alike.

        Args:
            contestants: Function to time, by name.
            repeats: Timed runs of each contestant.
            warm_up: Runs of each contestant that are not counted, except those longer than [`LONG_RUN`].

        Returns:
            Seconds of each counted run, by name.
        """
        counted: dict[str, list[float]] = {name: [] for name in contestants}
        for turn in range(warm_up + repeats):
            for name, work in contestants.items():
                if len(counted[name]) < repeats:
                    elapsed = self.seconds(work)
                    if turn >= warm_up or elapsed > LONG_RUN:
                        counted[name].append(elapsed)
        return counted

    def median_seconds(self, contestants: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Return the median seconds of each contestant over `repeats` runs; see [`run_in_turns`]."""
        return {name: median(counted) for name, counted in self.run_in_turns(contestants, self.repeats).items()}


def format_table(rows: list[Row]) -> str:
    """Format results as a Markdown table."""
    cells = [["", "value", "unit", "ratio", "compared with"]]
    for row in rows:
        value = f"{row.value:,.4g}" if row.value < 1e4 else f"{row.value:,.0f}"
        ratio = "" if row.ratio is None else f"{row.ratio:,.2f} ×"
        cells.append([row.name, value, row.unit, ratio, row.reference or ""])
    return markdown_table(cells)


def instruction_sets() -> str:
    """Return the instruction sets of the processor that determine the speed of float32, bfloat16 and int8 kernels."""
    names = [torch.backends.cpu.get_cpu_capability()]
    if hasattr(torch.cpu, "get_capabilities"):  # not in every supported version of torch
        capabilities = torch.cpu.get_capabilities()
        known = ("avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
        names += [name.upper() for name in known if capabilities.get(name)]
    return ", ".join(names)
