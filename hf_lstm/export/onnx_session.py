"""Graph, tokenizer and labels of an exported folder."""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

try:
    import onnxruntime
except ImportError as error:
    needed = 'pip install "hf_lstm[onnx]", or only onnxruntime, numpy and tokenizers'
    raise ImportError(f"An exported graph requires onnxruntime ({error}): {needed}") from None

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# This file is also copied to exported folders, where the functions of the package are in files next to it.
if TYPE_CHECKING or __package__:
    from ..text import AsciiWords, clean_text, is_word_tokenizer
    from .guard_onnx import StopRule
else:
    from ascii_words import AsciiWords, is_word_tokenizer
    from boundaries import clean_text
    from guard_onnx import StopRule

# Largest number of tokens in a batch, including padding. The values of a batch fit into the cache of a processor core.
BATCH_TOKENS = 4_096


class OnnxSession:
    """
    Exported graph with its tokenizer and labels.

    Args:
        folder: Folder with the graph, `config.json` and `tokenizer.json`; by default the folder of this file.
        model: File name of the graph, such as `model_int8.onnx`.
        threads: Number of batches that are computed at the same time; 0 is `OMP_NUM_THREADS`, or one
            per processor core.

    Raises:
        FileNotFoundError: If the graph does not exist.
    """

    def __init__(self, folder: str | Path = Path(__file__).parent, model: str = "model.onnx", threads: int = 0):
        folder = Path(folder)
        if not (folder / model).is_file():
            raise FileNotFoundError(f"There is no {model} in {folder}; exporting with --int8 writes model_int8.onnx.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # threads that share one batch wait for each other at every step
        if model == "model.onnx":  # the graph is written as it should run
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(folder / model, options, providers=["CPUExecutionProvider"])
        given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # may have a number for each level of nesting
        self.threads = threads or (int(given) if given.isdecimal() else 0) or os.cpu_count() or 1
        self.tokenizer_file = folder / "tokenizer.json"
        rules = json.loads(self.tokenizer_file.read_text(encoding="utf-8"))
        self.words = AsciiWords(rules) if is_word_tokenizer(rules) else None
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.problem_type = config["problem_type"]
        self.labels = [label for _, label in sorted((int(i), label) for i, label in config["id2label"].items())]
        threshold, is_single = config["threshold"], self.problem_type == "single_label_classification"
        if not isinstance(threshold, list):
            threshold = [0.0 if is_single else threshold] * len(self.labels)
        self.thresholds = dict(zip(self.labels, threshold, strict=True))
        self.pad_token_id = config["pad_token_id"] or 0
        self.outputs = [output.name for output in self.session.get_outputs()]
        rule = config.get("stop_rule")
        self.stop_rule = StopRule(**rule) if rule else None

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """The tokenizer, which is loaded for the first text that requires it."""
        from tokenizers import Tokenizer  # takes 30 ms

        tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def predict_logits(self, texts: list[str]) -> np.ndarray:
        """Return logits `(texts, num_labels)`, computed in batches of texts of similar length."""
        ids = self.encode(texts)
        logits = np.zeros((len(ids), len(self.labels)), dtype=np.float32)
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        batches = []
        while order:
            count = max(1, min(len(order), BATCH_TOKENS // max(1, len(ids[order[-1]]))))
            batches.append(order[-count:])
            order = order[:-count]

        def score(rows: list[int]) -> None:
            logits[rows] = self.run([ids[row] for row in rows], self.initial_state(len(rows)))["logits"]

        if len(batches) < 2 or self.threads == 1:
            for rows in batches:
                score(rows)
        else:
            from concurrent.futures import ThreadPoolExecutor  # takes 10 ms

            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(score, batches))  # raises the error of a batch
        return logits

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Return the token ids of texts."""
        texts = [clean_text(text) for text in texts]
        found = [self.words.encode(text) if self.words else None for text in texts]
        others = [text for text, ids in zip(texts, found, strict=True) if ids is None]
        encodings = iter(self.tokenizer.encode_batch_fast(others) if others else [])
        return [next(encodings).ids if ids is None else ids for ids in found]

    def encode_piece(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the token ids of a part of a text, and the start and end of each token in it."""
        if self.words and (found := self.words.encode_piece(text)):
            return found
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def run(self, ids: list[list[int]], state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of the graph by name for a batch of token ids, starting from a state."""
        if len(ids) == 1 and ids[0]:  # the usual case of a stream, without padding
            input_ids = np.array(ids)
            attention_mask = np.ones_like(input_ids)
        else:
            width = max(1, *map(len, ids))  # at least one step, which is masked for empty rows
            input_ids = np.full((len(ids), width), self.pad_token_id, dtype=np.int64)
            attention_mask = np.zeros((len(ids), width), dtype=np.int64)
            for row, row_ids in enumerate(ids):
                input_ids[row, : len(row_ids)] = row_ids
                attention_mask[row, : len(row_ids)] = 1
        feeds = {"input_ids": input_ids, "attention_mask": attention_mask, **state}
        return dict(zip(self.outputs, self.session.run(None, feeds), strict=True))

    def initial_state(self, batch: int) -> dict[str, np.ndarray]:
        """Return the state tensors before the first token; empty for a graph exported without the state."""
        types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
        state = {}
        for entry in self.session.get_inputs()[2:]:
            shape = [batch if isinstance(size, str) else size for size in entry.shape]
            state[entry.name] = np.zeros(shape, dtype=types[entry.type])
        return state
