"""Measure the speed of training, scoring, tokenizing and loading against what people use instead.

python scripts/benchmark.py                                     # every suite, on the bundled reviews
python scripts/benchmark.py train limit --dataset stanfordnlp/imdb --json figures.json

The contestants of a suite take turns, on the same texts and the same number of threads, and a figure is the median of
their turns. Compare the ratios more than the values: they hold on a busy machine too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from tqdm.auto import tqdm
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.cli.arguments import run
from hf_lstm.data.batching import SimilarLengthSampler, pad_batch
from hf_lstm.data.corpus import load_corpus
from hf_lstm.evaluation.cost import describe_machine
from hf_lstm.inference.prediction import predict_texts
from hf_lstm.messages import markdown_table
from hf_lstm.text.boundaries import clean_text
from hf_lstm.text.tokenization import train_tokenizer

MAX_TRAIN_TOKENS = 1000
BATCH = 64
LONG_TURN = 5.0  # seconds
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class Row:
    """One figure; `ratio` is how many times better than `reference` it is."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    reference: str | None = None


@dataclass
class Setting:
    """What the suites share: texts with labels of two classes, where to compute, and how much."""

    texts: list[str]
    labels: list[int]
    device: str
    repeats: int
    smallest: bool  # tiny sizes, to see that a suite runs

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        self.synchronize()
        start = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - start

    def take_turns(self, contestants: dict[str, Callable[[], object]]) -> dict[str, float]:
        """Median seconds of each; the first turn warms up, unless it is so long that this makes no difference."""
        turns: dict[str, list[float]] = {name: [] for name in contestants}
        for turn in range(self.repeats + 1):
            for name, work in contestants.items():
                if len(turns[name]) < self.repeats:
                    elapsed = self.seconds(work)
                    if turn or elapsed > LONG_TURN:
                        turns[name].append(elapsed)
        return {name: median(elapsed) for name, elapsed in turns.items()}


# ---- Training ----


class TextbookClassifier(nn.Module):
    """Embedding, packed `nn.LSTM`, last hidden state, linear: the loop that tutorials show."""

    def __init__(self, vocab_size: int, hidden_size: int, bidirectional: bool):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, hidden_size, padding_idx=0)
        self.lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.classifier = nn.Linear(hidden_size * (2 if bidirectional else 1), 2)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        lengths = attention_mask.sum(1).cpu()
        packed = pack_padded_sequence(self.embedding(input_ids), lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)  # (directions, batch, hidden)
        return nn.functional.cross_entropy(self.classifier(h.transpose(0, 1).flatten(1)), labels)


def training_step(model: nn.Module, batches: list[dict], setting: Setting, precision: str) -> Callable[[], None]:
    """Forward, backward and optimizer over some batches."""
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


def training_batches(setting: Setting) -> tuple[int, list[dict], list[dict]]:
    """Vocabulary size, batches of similar length as the Trainer makes them, and one batch of random texts."""
    tokenizer = train_tokenizer(setting.texts, "word", show_progress=False)
    encoded = tokenizer(setting.texts, truncation=True, max_length=MAX_TRAIN_TOKENS)["input_ids"]
    rows = list(SimilarLengthSampler([len(ids) for ids in encoded], BATCH, seed=0))
    count = 1 if setting.smallest else 10

    def batch(chosen: list[int]) -> dict:
        labels = torch.tensor([setting.labels[row] for row in chosen])
        return pad_batch([encoded[row] for row in chosen], 0) | {"labels": labels}

    similar = [batch(rows[start : start + BATCH]) for start in range(0, count * BATCH, BATCH)]
    rng = np.random.default_rng(0)
    return len(tokenizer), similar, [batch(rng.choice(len(encoded), BATCH, replace=False).tolist())]


def count_tokens(batches: list[dict]) -> int:
    return sum(int(batch["attention_mask"].sum()) for batch in batches)


def suite_train(setting: Setting) -> list[Row]:
    """Real tokens per second of forward, backward and optimizer."""
    vocab_size, similar, random_batch = training_batches(setting)
    rows = []
    sizes = (8,) if setting.smallest else (128, 256, 512)
    for hidden_size, bidirectional, precision in tqdm(list(product(sizes, (False, True), PRECISIONS)), leave=False):
        config = LstmConfig(
            vocab_size=vocab_size, embedding_size=hidden_size, hidden_size=hidden_size, bidirectional=bidirectional
        )
        textbook = TextbookClassifier(vocab_size, hidden_size, bidirectional)
        seconds = setting.take_turns(
            {
                "ours": training_step(LstmForSequenceClassification(config), similar, setting, precision),
                "textbook": training_step(textbook, random_batch, setting, precision),
            }
        )
        speed = count_tokens(similar) / seconds["ours"]
        reference = count_tokens(random_batch) / seconds["textbook"]
        name = f"{'bi' if bidirectional else 'uni'}directional {hidden_size}, {precision}"
        rows.append(Row(f"{name}, ours", speed, "tokens/s", speed / reference, "textbook"))
        rows.append(Row(f"{name}, textbook", reference, "tokens/s"))
    return rows


def suite_limit(setting: Setting) -> list[Row]:
    """How much of a plain matrix product's speed the recurrent layers of a training step reach, real tokens counted."""
    vocab_size, similar, _ = training_batches(setting)
    hidden_size, side = (8, 64) if setting.smallest else (256, 2048)
    config = LstmConfig(vocab_size=vocab_size, embedding_size=hidden_size, hidden_size=hidden_size)
    # 4 gates, from input and state, multiply and add; the backward pass does it twice over; two directions.
    layer = 4 * hidden_size * 2 * hidden_size * 2 * 3 * 2 * count_tokens(similar)
    rows = []
    for precision, dtype in PRECISIONS.items():
        matrix = torch.randn(side, side, device=setting.device, dtype=dtype)
        bare = nn.LSTM(hidden_size, hidden_size, batch_first=True, bidirectional=True).to(setting.device, dtype)
        inputs = [
            torch.randn(*batch["input_ids"].shape, hidden_size, device=setting.device, dtype=dtype) for batch in similar
        ]

        def multiply(matrix=matrix):
            for _ in range(10):
                matrix @ matrix

        def bare_layers(bare=bare, inputs=inputs):
            for batch in inputs:
                bare(batch)[0].sum().backward()

        seconds = setting.take_turns(
            {
                "product": multiply,
                "bare": bare_layers,
                "ours": training_step(LstmForSequenceClassification(config), similar, setting, precision),
            }
        )
        limit = 10 * 2 * side**3 / seconds["product"] / 1e9
        for name in ("ours", "bare"):
            label = "training step" if name == "ours" else "bare nn.LSTM"
            speed = layer / seconds[name] / 1e9
            rows.append(
                Row(f"{precision}, {label}, hidden {hidden_size}", speed, "GFLOP/s", speed / limit, "matrix product")
            )
        rows.append(Row(f"{precision}, matrix product {side}³", limit, "GFLOP/s"))
    return rows


# ---- Scoring ----


def small_model(vocab_size: int, **fields) -> LstmForSequenceClassification:
    """The default classifier, with random weights: speed does not need trained ones."""
    return LstmForSequenceClassification(LstmConfig(vocab_size=vocab_size, **fields)).eval()


def transformers_for_comparison(setting: Setting, vocab_size: int) -> dict[str, nn.Module]:
    """Models of the shapes of DistilBERT and of MiniLM (6 layers of 384), with random weights."""
    if setting.smallest:
        tiny = {"vocab_size": vocab_size, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        return {"MiniLM-shaped": BertForSequenceClassification(BertConfig(**tiny, intermediate_size=8)).eval()}
    minilm = BertConfig(
        vocab_size=30_522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    return {
        "DistilBERT-shaped": DistilBertForSequenceClassification(DistilBertConfig()).eval(),
        "MiniLM-shaped": BertForSequenceClassification(minilm).eval(),
    }


def wordpiece_tokenizer(setting: Setting) -> PreTrainedTokenizerFast:
    return train_tokenizer(setting.texts, "wordpiece", 1_000 if setting.smallest else 30_000, show_progress=False)


def linear_model(setting: Setting):
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return make_pipeline(vectorizer, LogisticRegression()).fit(setting.texts, setting.labels)


def fasttext_model(setting: Setting):
    """A fastText model, or `None`, said, where the library is missing or its training diverges, as it may."""
    try:
        import fasttext
    except ImportError:
        print('fastText is left out: pip install "hf_lstm[bench]"', file=sys.stderr)
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as stream:
        for text, label in zip(setting.texts, setting.labels, strict=True):
            stream.write(f"__label__{label} {' '.join(clean_text(text).split())}\n")
        stream.flush()
        try:
            return fasttext.train_supervised(stream.name, epoch=1, thread=torch.get_num_threads(), verbose=0)
        except RuntimeError as error:
            print(f"fastText is left out: {error}", file=sys.stderr)
            return None


def suite_score(setting: Setting) -> list[Row]:
    """Documents per second, tokenizing included: pipelines in batches of 64, `predict_texts`, and the linear rivals."""
    documents = setting.texts[: 16 if setting.smallest else 2_000]
    few = documents[: 4 if setting.smallest else 32]  # for what takes a second a document
    tokenizer = train_tokenizer(setting.texts, "word", show_progress=False)
    models = {
        "hf_lstm 128": small_model(len(tokenizer)),
        "hf_lstm 128, one direction": small_model(len(tokenizer), bidirectional=False),
        "hf_lstm 128, bf16": small_model(len(tokenizer)).to(torch.bfloat16),
    }
    contestants: dict[str, tuple[int, Callable[[], object]]] = {}
    for name, model in models.items():
        scorer = pipeline("text-classification", model=model, tokenizer=tokenizer, device=setting.device)
        contestants[f"{name}, pipeline"] = len(documents), lambda s=scorer: s(documents, batch_size=BATCH)
        contestants[f"{name}, predict_texts"] = (
            len(documents),
            lambda m=model: predict_texts(m, tokenizer, documents),
        )
    pieces = wordpiece_tokenizer(setting)
    for name, model in transformers_for_comparison(setting, len(pieces)).items():
        scorer = pipeline("text-classification", model=model, tokenizer=pieces, device=setting.device)
        contestants[f"{name}, pipeline"] = (
            len(few),
            lambda s=scorer: s(few, batch_size=BATCH, truncation=True, max_length=512),
        )
    linear = linear_model(setting)
    contestants["TF-IDF + LR"] = len(documents), lambda: linear.predict_proba(documents)
    if fast := fasttext_model(setting):
        lines = [" ".join(clean_text(text).split()) for text in documents]
        contestants["fastText"] = len(lines), lambda: fast.predict(lines)
    seconds = setting.take_turns({name: work for name, (_, work) in contestants.items()})
    rates = {name: contestants[name][0] / elapsed for name, elapsed in seconds.items()}
    reference = next(name for name in rates if "-shaped" in name)
    return [Row(name, rate, "documents/s", rate / rates[reference], reference) for name, rate in rates.items()]


def suite_latency(setting: Setting) -> list[Row]:
    """Milliseconds for one text of so many tokens, from ids to logits; transformers are cut at 512 tokens."""
    rng = np.random.default_rng(0)
    rows = []
    for length in (8,) if setting.smallest else (32, 256, 2_048):
        ids = torch.tensor(rng.integers(4, 500, (1, length)), device=setting.device)
        models = {
            "hf_lstm 128": small_model(30_000),
            "hf_lstm 128, one direction": small_model(30_000, bidirectional=False),
            **transformers_for_comparison(setting, 500),
        }
        elapsed: dict[str, list[float]] = {name: [] for name in models}
        for turn in range(3 if setting.smallest else 23):
            for name, model in models.items():
                model.to(setting.device)
                given = ids if isinstance(model, LstmForSequenceClassification) else ids[:, :512]
                with torch.inference_mode():
                    seconds = setting.seconds(lambda model=model, given=given: model(given))
                if turn > 1:
                    elapsed[name].append(1_000 * seconds)
        slowest = next(name for name in models if "-shaped" in name)
        for name, values in elapsed.items():
            cut = ", cut at 512" if length > 512 and "-shaped" in name else ""
            label = f"{length} tokens, {name}{cut}"
            rows.append(Row(f"{label}, p50", median(values), "ms", median(elapsed[slowest]) / median(values), slowest))
            rows.append(Row(f"{label}, p95", float(np.percentile(values, 95)), "ms"))
    return rows


# ---- Length, tokenizing, starting ----

_SCORE_ONE = """
import statistics, sys, time, torch
from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.inference.prediction import predict_logits
from hf_lstm.data.sample_reviews import build_sample_reviews
from hf_lstm.inference.streaming import StreamingClassifier
from hf_lstm.text.tokenization import train_tokenizer
length, way, threads = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)
config = LstmConfig(bidirectional=way == "bidirectional", problem_type="single_label_classification")
model = LstmForSequenceClassification(config).eval()
if way == "streaming":
    text = " ".join(build_sample_reviews()["train"][:200]["text"])
    tokenizer = train_tokenizer([text], "word", show_progress=False)
    words = text.split()[:100]
    stream, piece = StreamingClassifier(model, tokenizer), " ".join(words) + " "
    each = len(tokenizer(piece)["input_ids"]) - 1

def score(tokens):
    if way != "streaming":
        predict_logits(model, [[5] * tokens])
        return tokens
    state = stream.start()
    for _ in range(tokens // each):
        _, state = stream.feed(state, piece)
    return tokens // each * each

def peak():  # of this process alone: what getrusage gives includes the parent's
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

for _ in range(5):
    score(1_000)
before, times = peak(), []
while len(times) < 3 or (sum(times) < 2 and len(times) < 100):
    start = time.perf_counter()
    read = score(length)
    times.append(time.perf_counter() - start)
print(statistics.median(times) / read * 1e6, peak() - before)
"""


def suite_scaling(setting: Setting) -> list[Row]:
    """Time per token read, and memory over that of 1,000 tokens, by length: on the CPU, each in its own process."""
    if not Path("/proc/self/status").exists():
        raise ValueError("The suite `scaling` reads its memory from /proc, which only Linux has.")
    rows = []
    ways = {"one direction": "uni", "bidirectional": "bidirectional", "streaming, 100 words at a time": "streaming"}
    for name, way in ways.items():
        first = None
        for length in (1_000,) if setting.smallest else (1_000, 10_000, 100_000, 1_000_000):
            command = [sys.executable, "-c", _SCORE_ONE, str(length), way, str(torch.get_num_threads())]
            cost, memory = map(float, subprocess.check_output(command, text=True).split())
            first = first or cost
            rows.append(Row(f"{name}, {length:,} tokens, time", cost, "µs/token", first / cost, "1,000 tokens"))
            rows.append(Row(f"{name}, {length:,} tokens, memory", memory, "MB"))
    ids = torch.randint(4, 500, (1, 512))
    for name, model in transformers_for_comparison(setting, 500).items():
        with torch.inference_mode():
            elapsed = setting.take_turns({name: lambda model=model: model(ids)})[name]
        rows.append(Row(f"{name}, cut at 512 tokens, time", elapsed / 512 * 1e6, "µs/token"))
    return rows


def suite_tokenize(setting: Setting) -> list[Row]:
    """Megabytes of text per second by kind of tokenizer, and the share of tokenizing in scoring."""
    megabytes = sum(len(text.encode()) for text in setting.texts) / 1e6
    kinds = ("word", "bpe", "wordpiece", "unigram")
    vocab_size = 1_000 if setting.smallest else 30_000
    tokenizers = {kind: train_tokenizer(setting.texts, kind, vocab_size, show_progress=False) for kind in kinds}
    model = small_model(vocab_size)
    contestants = {
        kind: lambda t=tokenizer: t(setting.texts, return_attention_mask=False)
        for kind, tokenizer in tokenizers.items()
    }
    contestants["scoring"] = lambda: predict_texts(model, tokenizers["word"], setting.texts)
    seconds = setting.take_turns(contestants)
    rows = [Row(f"{kind} tokenizer", megabytes / seconds[kind], "MB/s") for kind in kinds]
    rows.append(Row("tokenizing, of the time to score", 100 * seconds["word"] / seconds["scoring"], "%"))
    return rows


_START = """
import sys, time
start = time.perf_counter()
import hf_lstm
from transformers import AutoModelForSequenceClassification, AutoTokenizer
imported = time.perf_counter()
AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
AutoTokenizer.from_pretrained(sys.argv[1])
print(imported - start, time.perf_counter() - imported)
"""


def suite_start(setting: Setting) -> list[Row]:
    """Seconds to import and to load model and tokenizer in a new process, and megabytes on disk."""
    tokenizer, pieces = train_tokenizer(setting.texts, "word", show_progress=False), wordpiece_tokenizer(setting)
    models = {"hf_lstm 128": (small_model(len(tokenizer)), tokenizer)}
    models |= {name: (model, pieces) for name, model in transformers_for_comparison(setting, len(pieces)).items()}
    rows = []
    for name, (model, its_tokenizer) in models.items():
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            its_tokenizer.save_pretrained(folder)
            command = [sys.executable, "-c", _START, folder]
            runs = [
                [float(part) for part in subprocess.check_output(command, text=True).split()]
                for _ in range(setting.repeats)
            ]
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
        rows.append(Row(f"{name}, import", median(run[0] for run in runs), "s"))
        rows.append(Row(f"{name}, load", median(run[1] for run in runs), "s"))
        rows.append(Row(f"{name}, on disk", size, "MB"))
    return rows


SUITES = {
    "train": suite_train,
    "limit": suite_limit,
    "score": suite_score,
    "latency": suite_latency,
    "scaling": suite_scaling,
    "tokenize": suite_tokenize,
    "start": suite_start,
}


def format_table(rows: list[Row]) -> str:
    cells = [["", "value", "unit", "ratio", "to"]]
    for row in rows:
        value = f"{row.value:,.4g}" if row.value < 1e4 else f"{row.value:,.0f}"
        cells.append([row.name, value, row.unit, f"{row.ratio:,.2f} ×" if row.ratio else "", row.reference or ""])
    return markdown_table(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help=f"any of {', '.join(SUITES)}; by default all")
    parser.add_argument("--dataset", help="as in train.py; texts of its train split are used")
    parser.add_argument("--json", help="file to write the figures to")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch; all cores by default")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--smallest", action="store_true", help="tiny sizes, to see that a suite runs")
    args = parser.parse_args()
    if unknown := [name for name in args.suites if name not in SUITES]:
        parser.error(f"there is no suite {unknown[0]!r}; there are {', '.join(SUITES)}")
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    corpus = load_corpus(args.dataset)
    if corpus.problem_type != "single_label_classification":
        raise ValueError(f"{args.dataset} has {corpus.problem_type}; the rivals need one class for each text.")
    train = corpus.splits["train"]
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(train))[: 200 if args.smallest else 8_000]
    setting = Setting(train[chosen]["text"], train[chosen]["labels"], args.device, args.repeats, args.smallest)
    print(f"{describe_machine()}; {len(chosen):,} texts of {args.dataset or 'the bundled corpus'}")
    figures = []
    for name in args.suites or SUITES:
        rows = SUITES[name](setting)
        print(f"\n{name}: {SUITES[name].__doc__}\n{format_table(rows)}", flush=True)
        figures += [{"suite": name, **asdict(row), "machine": describe_machine()} for row in rows]
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
