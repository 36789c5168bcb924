"""Run an exported classifier with only onnxruntime, tokenizers and numpy.

python run_onnx.py "What a film."                       # prints label, score and text, separated by tabs
python run_onnx.py --model model_int8.onnx < texts.txt  # one text per line
some_program | python run_onnx.py --stream              # the prediction so far; requires an export with --stateful

from run_onnx import OnnxClassifier
classifier = OnnxClassifier("folder")
classifier("What a film.")                              # [{"label": "positive", "score": 0.98}], as from the pipeline
classifier.predict(["What a film."])                    # the same, but without labels below their threshold
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

# This file is also copied to exported folders, where the functions of the package are in the file boundaries.py.
if TYPE_CHECKING or __package__:
    from ..text import clean_text, take_stable_text
else:
    from boundaries import clean_text, take_stable_text

# Largest number of tokens in a batch, including padding.
BATCH_TOKENS = 16_384

# Tokens of a stream that are read at once, which bounds the memory for a long piece.
STEPS = 512


@dataclass(frozen=True)
class StreamState:
    """
    State after the part of a text that has been read; its size does not grow with the text.

    Args:
        tensors: Recurrent state of the graph by name, for a batch of one.
        held: Text that has arrived but is not tokenized yet, because its tokens depend on what follows.
        undecoded: First bytes of a character whose other bytes have not arrived.
    """

    tensors: dict[str, np.ndarray]
    held: str = ""
    undecoded: bytes = b""


class OnnxClassifier:
    """
    Text classifier exported by hf_lstm.

    Args:
        folder: Folder with the graph, `config.json` and `tokenizer.json`; by default the folder of this file.
        model: File name of the graph, such as `model_int8.onnx`.
        threads: Number of threads of onnxruntime; 0 lets onnxruntime decide.

    Raises:
        FileNotFoundError: If the graph does not exist.
    """

    def __init__(self, folder: str | Path = Path(__file__).parent, model: str = "model.onnx", threads: int = 0):
        folder = Path(folder)
        if not (folder / model).is_file():
            raise FileNotFoundError(f"There is no {model} in {folder}; exporting with --int8 writes model_int8.onnx.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(folder / model, options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.problem_type = config["problem_type"]
        self.labels = [label for _, label in sorted((int(i), label) for i, label in config["id2label"].items())]
        threshold, is_single = config["threshold"], self.problem_type == "single_label_classification"
        if not isinstance(threshold, list):
            threshold = [0.0 if is_single else threshold] * len(self.labels)
        self.thresholds = dict(zip(self.labels, threshold, strict=True))
        self.pad_token_id = config["pad_token_id"] or 0
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, texts: str | list[str], top_k: int | None = 1) -> list:
        """
        Classify texts.

        Args:
            texts: One text or a list of texts.
            top_k: Number of labels to return for each text, highest score first; `None` returns all.

        Returns:
            The same as `pipeline("text-classification")`: for each text a dictionary with `label` and `score`, or a
            list of them unless `top_k` is 1.
        """
        rows = self.format_predictions(self.predict_logits([texts] if isinstance(texts, str) else texts))
        if top_k is None:
            return rows
        return [row[0] for row in rows] if top_k == 1 else [row[:top_k] for row in rows]

    def predict(self, texts: list[str]) -> list[dict]:
        """Return the prediction for each text, see [`OnnxClassifier.choose`]."""
        return [self.choose(row) for row in self(texts, top_k=None)]

    def choose(self, row: list[dict]) -> dict:
        """
        Apply the thresholds of the model.

        Args:
            row: All labels with their scores, highest score first.

        Returns:
            `label` and `score` as `hf-lstm predict` writes them: the label is `None` if its score is below its
            threshold; both are lists in multi-label classification; a regression has only `score`, a list if it
            has several outputs.
        """
        if self.problem_type == "regression":
            by_label = {entry["label"]: entry["score"] for entry in row}
            scores = [by_label[label] for label in self.labels]
            return {"score": scores[0] if len(scores) == 1 else scores}
        reached = [entry for entry in row if entry["score"] >= self.thresholds[entry["label"]] < 1]
        if self.problem_type == "multi_label_classification":
            return {name: [entry[name] for entry in reached] for name in ("label", "score")}
        return row[0] | {"label": row[0]["label"] if row[0] in reached else None}

    def predict_logits(self, texts: list[str]) -> np.ndarray:
        """Return logits `(texts, num_labels)`, computed in batches of texts of similar length."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch([clean_text(text) for text in texts])]
        logits = np.zeros((len(ids), len(self.labels)), dtype=np.float32)
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        while order:
            count = max(1, min(len(order), BATCH_TOKENS // len(ids[order[-1]])))
            rows, order = order[-count:], order[:-count]
            logits[rows] = self.run([ids[row] for row in rows], self.initial_state(len(rows)))["logits"]
        return logits

    def format_predictions(self, logits: np.ndarray) -> list[list[dict]]:
        """Return all labels with their scores, highest score first, for each row of logits."""
        scores = logits
        if self.problem_type == "single_label_classification":
            powers = np.exp(logits - logits.max(1, keepdims=True))
            scores = powers / powers.sum(1, keepdims=True)
        elif self.problem_type == "multi_label_classification":
            scores = 1 / (1 + np.exp(-logits))
        return [
            [{"label": self.labels[i], "score": float(row[i])} for i in np.argsort(-row, kind="stable")]
            for row in scores
        ]

    def run(self, ids: list[list[int]], state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of the graph by name for a batch of token ids, starting from a state."""
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

    def start(self) -> StreamState:
        """Return the state before the first piece of a text.

        Raises:
            ValueError: If the model was exported without the state.
        """
        state = self.initial_state(1)
        if not state:
            raise ValueError("This model was exported without --stateful.")
        return StreamState(self.read(state, self.tokenizer.encode("").ids)[0])  # the tokens that start every text

    def feed(self, state: StreamState, piece: str | bytes, at_end: bool = False) -> tuple[list[dict], StreamState]:
        """
        Read the next piece of a text.

        Args:
            state: State from [`OnnxClassifier.start`] or a previous call; it is not modified.
            piece: Any part of the text; bytes are UTF-8. The last word is read when the next piece ends it.
            at_end: Whether the text ends with this piece.

        Returns:
            All labels with their scores for the text read so far, highest score first, and the new state.
        """
        text, held, undecoded = take_stable_text(state.held, state.undecoded, piece, at_end)
        tensors, logits = self.read(state.tensors, self.tokenizer.encode(text, add_special_tokens=False).ids)
        return self.format_predictions(logits)[0], replace(state, tensors=tensors, held=held, undecoded=undecoded)

    def finish(self, state: StreamState) -> list[dict]:
        """Return all labels with their scores for the text as if it ended here; the state can still be used."""
        return self.feed(state, "", at_end=True)[0]

    def read(self, state: dict[str, np.ndarray], ids: list[int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the state and the logits `(1, num_labels)` after zero or more tokens."""
        for start in range(0, max(1, len(ids)), STEPS):
            outputs = self.run([ids[start : start + STEPS]], state)
            state = {name: outputs[f"next_{name}"] for name in state}
        return state, outputs["logits"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="texts to classify; by default, the lines of standard input")
    parser.add_argument("--model", default="model.onnx", help="file name of the graph (default: %(default)s)")
    parser.add_argument("--stream", action="store_true", help="read standard input as one text while it arrives")
    args = parser.parse_args()
    if args.stream and args.texts:
        parser.error("--stream reads standard input and cannot be combined with texts")
    classifier = OnnxClassifier(model=args.model)
    if args.stream:
        state = classifier.start()
        while piece := os.read(sys.stdin.fileno(), 65_536):  # returns as soon as anything has arrived
            scores, state = classifier.feed(state, piece)
            print(format_line(classifier.choose(scores)), flush=True)
        print(format_line(classifier.choose(classifier.finish(state))))
        return
    texts = args.texts or [line.rstrip("\r\n") for line in sys.stdin]
    for text, prediction in zip(texts, classifier.predict(texts), strict=True):
        print(f"{format_line(prediction)}\t{text}")


def format_line(prediction: dict) -> str:
    """Return `label<TAB>score`; several are joined by commas, and without a label the first part is empty."""
    label, score = prediction.get("label") or "", prediction["score"]
    labels, scores = (value if isinstance(value, list) else [value] for value in (label, score))
    return f"{','.join(labels)}\t{','.join(f'{value:.4f}' for value in scores)}"


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # the reader of the output has stopped
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # no second error when Python flushes the output at exit
        sys.exit(1)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
