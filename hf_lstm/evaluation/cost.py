"""Speed and size of a classifier, and the machine on which they were measured."""

import os
import platform
import time
from collections.abc import Container, Sequence
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ..inference import predict_texts

# Largest number of texts whose prediction is timed.
TIMED_TEXTS = 2_000


def texts_per_second(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> float:
    """Return the speed of [`predict_texts`], including tokenization, on the first 2,000 texts."""
    texts = texts[:TIMED_TEXTS]
    predict_texts(model, tokenizer, texts[:64])  # warm up: the first call initialises the kernels
    started = time.perf_counter()
    predict_texts(model, tokenizer, texts)
    return len(texts) / (time.perf_counter() - started)


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
        f"{processor}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{device}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    )
