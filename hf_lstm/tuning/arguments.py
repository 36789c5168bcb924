"""Arguments of the search for the best options."""

import re
from dataclasses import dataclass, field

# Seconds of the units of a budget.
UNITS = {"h": 3_600, "m": 60, "s": 1}


@dataclass
class TuningArguments:
    """The search for the best options of a training."""

    autotune: str | None = field(
        default=None,
        metadata={"help": "search on up to 8 cores for the best options, as in 10m (default: no search)"},
    )
    max_megabytes: float | None = field(
        default=None, metadata={"help": "largest size of the weights that autotune may choose (default: any)"}
    )
    max_latency_ms: float | None = field(
        default=None, metadata={"help": "longest time per text, on one thread, for autotune (default: any)"}
    )

    def __post_init__(self):
        if self.autotune is not None:
            parse_duration(self.autotune)
        for name in ("max_megabytes", "max_latency_ms"):
            limit = getattr(self, name)
            if limit is not None and self.autotune is None:
                raise ValueError(f"`--{name}` requires `--autotune`.")
            if limit is not None and limit <= 0:
                raise ValueError(f"`{name}` must be above 0, got {limit:g}.")


def parse_duration(text: str) -> int:
    """
    Return the seconds of a duration.

    Args:
        text: Hours, minutes and seconds, such as "10m", "1h30m" or "45s".

    Raises:
        ValueError: The text is not such a duration, or is 0.
    """
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip().lower())
    counts = [int(part or 0) for part in parts.groups()] if parts else [0]
    seconds = sum(count * unit for count, unit in zip(counts, UNITS.values(), strict=False))
    if not seconds:
        raise ValueError(f"`autotune` must be a duration such as 10m, 1h30m or 45s, got {text!r}.")
    return seconds
