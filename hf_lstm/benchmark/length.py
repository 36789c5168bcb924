"""Cost of reading by the length of a text: time per token, and memory."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import torch

from ..data import build_sample_reviews
from ..inference import StreamingClassifier, predict_logits
from ..models import LstmForSequenceClassification
from ..text import train_tokenizer
from .contestants import TRANSFORMER_TOKENS, comparison_transformers, default_classifier
from .timing import Row, Setting

STATUS = Path("/proc/self/status")
STREAMING = "streaming, 100 words at a time"


def measure_length(setting: Setting) -> list[Row]:
    """Measure time per token, and memory beyond that of 1,000 tokens, on the CPU with one process per length."""
    if not STATUS.exists():
        raise ValueError(f"The suite `length` reads the memory of a process from {STATUS}, which exists only on Linux.")
    rows = []
    for name in ("one direction", "bidirectional", STREAMING):
        first = None
        for length in (1_000,) if setting.smallest else (1_000, 10_000, 100_000, 1_000_000):
            # Peak memory never decreases, so each measurement needs a new process.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
                cost, memory = pool.submit(measure_one_length, name, length, torch.get_num_threads()).result()
            first = first or cost
            rows.append(Row(f"{name}, {length:,} tokens, time", cost, "µs/token", first / cost, "1,000 tokens"))
            rows.append(Row(f"{name}, {length:,} tokens, memory", memory, "MB"))
    ids = torch.randint(4, 500, (1, TRANSFORMER_TOKENS))
    with torch.inference_mode():
        transformers = {name: partial(model, ids) for name, model in comparison_transformers(setting, 500).items()}
        for name, seconds in setting.median_seconds(transformers).items():
            rows.append(Row(f"{name}, cut at 512 tokens, time", seconds / TRANSFORMER_TOKENS * 1e6, "µs/token"))
    return rows


def measure_one_length(name: str, length: int, threads: int) -> tuple[float, float]:
    """
    Score texts of one length in this process.

    Args:
        name: `"one direction"`, `"bidirectional"` or [`STREAMING`].
        length: Tokens in a text.
        threads: Threads of torch.

    Returns:
        Median microseconds per token, and the growth of the peak memory in megabytes after texts of 1,000 tokens.
    """
    torch.set_num_threads(threads)
    model = default_classifier(
        30_000, bidirectional=name == "bidirectional", problem_type="single_label_classification"
    )
    read = stream_reader(model) if name == STREAMING else partial(read_at_once, model)
    for _ in range(5):
        read(1_000)
    before = peak_megabytes()
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < 2 and len(seconds) < 100):
        start = time.perf_counter()
        tokens = read(length)
        seconds.append(time.perf_counter() - start)
    return median(seconds) / tokens * 1e6, peak_megabytes() - before


def read_at_once(model: LstmForSequenceClassification, tokens: int) -> int:
    """Score one text of `tokens` tokens and return that number."""
    predict_logits(model, [[5] * tokens])
    return tokens


def stream_reader(model: LstmForSequenceClassification) -> Callable[[int], int]:
    """Return a function that streams about the given number of tokens and returns the exact number."""
    text = " ".join(build_sample_reviews()["train"][:200]["text"])
    tokenizer = train_tokenizer([text], "word", show_progress=False)
    stream, piece = StreamingClassifier(model, tokenizer), " ".join(text.split()[:100]) + " "
    tokens_per_piece = len(tokenizer(piece)["input_ids"]) - 1  # without [CLS], which only the start of a text has

    def read(tokens: int) -> int:
        state = stream.start()
        for _ in range(tokens // tokens_per_piece):
            _, state = stream.feed(state, piece)
        return tokens // tokens_per_piece * tokens_per_piece

    return read


def peak_megabytes() -> float:
    """Return the peak memory of this process alone; `getrusage` would include that of the parent."""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
