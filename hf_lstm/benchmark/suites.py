"""The suites of the benchmark, by name."""

from collections.abc import Callable

from .guarding import measure_guarding
from .length import measure_length
from .scoring import measure_latency, measure_scoring, measure_tokenizing
from .start import measure_start
from .timing import Row, Setting
from .training import measure_limit, measure_training

# The first line of each docstring is printed above the results.
SUITES: dict[str, Callable[[Setting], list[Row]]] = {
    "train": measure_training,
    "limit": measure_limit,
    "score": measure_scoring,
    "latency": measure_latency,
    "length": measure_length,
    "guard": measure_guarding,
    "tokenize": measure_tokenizing,
    "start": measure_start,
}
