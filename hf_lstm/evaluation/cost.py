"""Speed and size of a classifier, and the machine on which they were measured."""

import os
import platform
import time
from collections.abc import Container, Sequence
from pathlib import Path
from statistics import median

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ..inference import predict_texts
from ..messages import format_count

# Largest number of texts whose prediction is timed.
TIMED_TEXTS = 2_000

# Predictions of one text: the first calls initialise the kernels.
WARM_UP_CALLS, TIMED_CALLS = 3, 21


def texts_per_second(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> float:
    """Return the speed of [`predict_texts`], including tokenization, on the first 2,000 texts."""
    texts = texts[:TIMED_TEXTS]
    predict_texts(model, tokenizer, texts[:64])  # warm up: the first call initialises the kernels
    started = time.perf_counter()
    predict_texts(model, tokenizer, texts)
    return len(texts) / (time.perf_counter() - started)


def latency_ms(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str) -> float:
    """Return the median milliseconds of [`predict_texts`] for one text on one thread, including tokenization."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for _ in range(WARM_UP_CALLS + TIMED_CALLS):
            started = time.perf_counter()
            predict_texts(model, tokenizer, [text])
            seconds.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return 1_000 * median(seconds[WARM_UP_CALLS:])


def folder_bytes(folder: str | Path, leave_out: Container[str] = ()) -> int:
    """Return the size in bytes of the files directly in a folder, except those whose name is in `leave_out`."""
    return sum(path.stat().st_size for path in Path(folder).iterdir() if path.is_file() and path.name not in leave_out)


def describe_machine() -> str:
    """Return one line with the processor, the number of threads and the library versions that affect measurements."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{processor}, {format_count(os.cpu_count() or 1, 'core')}, "
        f"{format_count(torch.get_num_threads(), 'thread')}{device}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    )
