"""Speed of a training step, against a textbook loop and against a matrix product."""

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from ..data import SimilarLengthSampler, pad_batch
from ..models import LstmConfig, LstmForSequenceClassification
from ..text import train_tokenizer
from .contestants import TextbookClassifier
from .timing import Row, Setting

MAX_TOKENS = 1000  # of a training text, the default of `--max_length`
BATCH = 64
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

Batch = dict[str, torch.Tensor]


def training_step(model: nn.Module, batches: list[Batch], setting: Setting, precision: str) -> Callable[[], None]:
    """Return a function that runs forward, backward and optimizer step on each of the batches."""
    model.to(setting.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    batches = [{name: tensor.to(setting.device) for name, tensor in batch.items()} for batch in batches]

    def step() -> None:
        for batch in batches:
            with torch.autocast(setting.device, PRECISIONS[precision], enabled=precision != "fp32"):
                output = model(**batch)
            (output if isinstance(output, torch.Tensor) else output.loss).backward()
            optimizer.step()
            optimizer.zero_grad()

    return step


def training_batches(setting: Setting) -> tuple[int, list[Batch], list[Batch]]:
    """Return the vocabulary size, batches of texts of similar length as in training, and one batch of random texts."""
    tokenizer = train_tokenizer(setting.texts, "word", show_progress=False)
    encoded = tokenizer(setting.texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    rows = list(SimilarLengthSampler([len(ids) for ids in encoded], BATCH, seed=0))
    count = 1 if setting.smallest else 10

    def make_batch(chosen: list[int]) -> Batch:
        labels = torch.tensor([setting.labels[row] for row in chosen])
        return pad_batch([encoded[row] for row in chosen], 0) | {"labels": labels}

    similar = [make_batch(rows[start : start + BATCH]) for start in range(0, count * BATCH, BATCH)]
    rng = np.random.default_rng(0)
    return len(tokenizer), similar, [make_batch(rng.choice(len(encoded), BATCH, replace=False).tolist())]


def count_tokens(batches: list[Batch]) -> int:
    """Return the number of tokens without padding."""
    return sum(int(batch["attention_mask"].sum()) for batch in batches)


def measure_training(setting: Setting) -> list[Row]:
    """Compare the tokens per second of a training step with those of a textbook loop."""
    vocab_size, similar, random_batch = training_batches(setting)
    rows = []
    sizes = (8,) if setting.smallest else (128, 256, 512)
    for hidden_size, bidirectional, precision in tqdm(
        [*product(sizes, (False, True), PRECISIONS)], leave=False, disable=None
    ):
        config = LstmConfig(
            vocab_size=vocab_size, embedding_size=hidden_size, hidden_size=hidden_size, bidirectional=bidirectional
        )
        textbook = TextbookClassifier(vocab_size, hidden_size, bidirectional)
        seconds = setting.median_seconds(
            {
                "hf_lstm": training_step(LstmForSequenceClassification(config), similar, setting, precision),
                "textbook": training_step(textbook, random_batch, setting, precision),
            }
        )
        speed = count_tokens(similar) / seconds["hf_lstm"]
        reference = count_tokens(random_batch) / seconds["textbook"]
        name = f"{'bi' if bidirectional else 'uni'}directional {hidden_size}, {precision}"
        rows.append(Row(f"{name}, hf_lstm", speed, "tokens/s", speed / reference, "textbook"))
        rows.append(Row(f"{name}, textbook", reference, "tokens/s"))
    return rows


def measure_limit(setting: Setting) -> list[Row]:
    """Compare the GFLOP/s of the recurrent layers in a training step with those of a matrix product."""
    vocab_size, similar, _ = training_batches(setting)
    hidden_size, side = (8, 64) if setting.smallest else (256, 2048)
    config = LstmConfig(vocab_size=vocab_size, embedding_size=hidden_size, hidden_size=hidden_size)
    # Per token: 4 gates, each from the input and the state, 2 operations (multiply, add), 3 products (1 forward and
    # 2 backward), 2 directions.
    operations = 4 * hidden_size * 2 * hidden_size * 2 * 3 * 2 * count_tokens(similar)
    products = 10
    rows = []
    for precision, dtype in PRECISIONS.items():
        matrix = torch.randn(side, side, device=setting.device, dtype=dtype)
        layer = nn.LSTM(hidden_size, hidden_size, batch_first=True, bidirectional=True).to(setting.device, dtype)
        inputs = [
            torch.randn(*batch["input_ids"].shape, hidden_size, device=setting.device, dtype=dtype) for batch in similar
        ]  # (batch, seq, hidden) each

        def multiply(matrix: torch.Tensor = matrix) -> None:
            for _ in range(products):
                matrix @ matrix

        def run_layer(layer: nn.LSTM = layer, inputs: list[torch.Tensor] = inputs) -> None:
            for batch in inputs:
                layer(batch)[0].sum().backward()

        seconds = setting.median_seconds(
            {
                "matrix product": multiply,
                "only nn.LSTM": run_layer,
                "training step": training_step(LstmForSequenceClassification(config), similar, setting, precision),
            }
        )
        limit = products * 2 * side**3 / seconds["matrix product"] / 1e9
        for name in ("training step", "only nn.LSTM"):
            speed = operations / seconds[name] / 1e9
            rows.append(
                Row(f"{precision}, {name}, hidden {hidden_size}", speed, "GFLOP/s", speed / limit, "matrix product")
            )
        rows.append(Row(f"{precision}, matrix product {side}³", limit, "GFLOP/s"))
    return rows
