"""Run an exported classifier with onnxruntime, tokenizers and numpy alone.

python run_onnx.py "What a film."                       # label, score and text, tab-separated
python run_onnx.py --model model_int8.onnx < texts.txt  # one text a line
some_program | python run_onnx.py --stream              # the verdict so far, for a model exported with --streaming

from run_onnx import OnnxClassifier
classifier = OnnxClassifier("folder")
classifier("What a film.")                              # [{"label": "positive", "score": 0.98}], as the pipeline has it
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

if __package__:
    from ..text import clean_text, take_stable_text
else:  # in an exported folder, the module is the file beside this one
    from boundaries import clean_text, take_stable_text

# Padded tokens in one batch.
BATCH_TOKENS = 16_384

# Tokens of a stream that are read at a time: this bounds the memory of a long piece.
STEPS = 512


@dataclass(frozen=True)
class StreamState:
    """
    All that is known of a text so far; its size does not grow with the text.

    Args:
        memory: The state tensors of the graph by name, for a batch of one.
        held: Text that has arrived and is not read yet, since its tokens depend on what follows.
        undecoded: Beginning of a character whose other bytes have not arrived.
    """

    memory: dict[str, np.ndarray]
    held: str = ""
    undecoded: bytes = b""


class OnnxClassifier:
    """
    A text classifier that was exported by hf_lstm.

    Args:
        folder: Has the graph, `config.json` and `tokenizer.json`; this file's by default.
        model: Name of the graph's file, such as `model_int8.onnx`.
        threads: Threads of onnxruntime; its own choice by default.

    Raises:
        FileNotFoundError: There is no such graph.
    """

    def __init__(self, folder: str | Path = Path(__file__).parent, model: str = "model.onnx", threads: int = 0):
        folder = Path(folder)
        if not (folder / model).is_file():
            raise FileNotFoundError(f"There is no {model} in {folder}; export_onnx.py --int8 writes model_int8.onnx.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(folder / model, options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.problem_type = config["problem_type"]
        self.labels = [label for _, label in sorted((int(i), label) for i, label in config["id2label"].items())]
        self.pad_token_id = config["pad_token_id"] or 0
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, texts: str | list[str], top_k: int | None = 1) -> list:
        """
        Classifies texts.

        Args:
            texts: A text or several.
            top_k: How many labels to give, most probable first; `None` gives all, in a list for each text.

        Returns:
            What `pipeline("text-classification")` returns: a dictionary with `label` and `score` for each text.
        """
        rows = self.format_predictions(self.predict_logits([texts] if isinstance(texts, str) else texts))
        if top_k is None:
            return rows
        return [row[0] for row in rows] if top_k == 1 else [row[:top_k] for row in rows]

    def predict_logits(self, texts: list[str]) -> np.ndarray:
        """Logits `(texts, num_labels)`, in batches of similar length."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch([clean_text(text) for text in texts])]
        logits = np.zeros((len(ids), len(self.labels)), dtype=np.float32)
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        while order:
            count = max(1, min(len(order), BATCH_TOKENS // len(ids[order[-1]])))
            rows, order = order[-count:], order[:-count]
            logits[rows] = self.run([ids[row] for row in rows], self.empty_memory(len(rows)))["logits"]
        return logits

    def format_predictions(self, logits: np.ndarray) -> list[list[dict]]:
        """All labels with their scores, best first, for each row of logits."""
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

    def run(self, ids: list[list[int]], memory: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The graph's outputs by name for a batch of token ids."""
        width = max(1, *map(len, ids))  # a masked step changes nothing
        input_ids = np.full((len(ids), width), self.pad_token_id, dtype=np.int64)
        attention_mask = np.zeros((len(ids), width), dtype=np.int64)
        for row, its_ids in enumerate(ids):
            input_ids[row, : len(its_ids)] = its_ids
            attention_mask[row, : len(its_ids)] = 1
        feeds = {"input_ids": input_ids, "attention_mask": attention_mask, **memory}
        return dict(zip(self.outputs, self.session.run(None, feeds), strict=True))

    def empty_memory(self, batch: int) -> dict[str, np.ndarray]:
        """The state tensors before the first token; none where the graph has none."""
        types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
        memory = {}
        for entry in self.session.get_inputs()[2:]:
            shape = [batch if isinstance(size, str) else size for size in entry.shape]
            memory[entry.name] = np.zeros(shape, dtype=types[entry.type])
        return memory

    def start(self) -> StreamState:
        """The state before the first piece of a text; `ValueError` for a model that cannot stream."""
        memory = self.empty_memory(1)
        if not memory:
            raise ValueError("This model was exported without --streaming.")
        return StreamState(self.read(memory, [self.tokenizer.token_to_id("[CLS]")])[0])

    def feed(self, state: StreamState, piece: str | bytes, at_end: bool = False) -> tuple[list[dict], StreamState]:
        """
        Reads the next piece of a text.

        Args:
            state: From [`OnnxClassifier.start`] or an earlier call; it stays as it is.
            piece: Any part of the text; bytes are UTF-8. The last word waits for what follows.
            at_end: Whether the text ends here.

        Returns:
            All labels with their scores for what was read so far, best first, and the state to feed next.
        """
        text, held, undecoded = take_stable_text(state.held, state.undecoded, piece, at_end)
        memory, logits = self.read(state.memory, self.tokenizer.encode(text, add_special_tokens=False).ids)
        return self.format_predictions(logits)[0], replace(state, memory=memory, held=held, undecoded=undecoded)

    def finish(self, state: StreamState) -> list[dict]:
        """All labels with their scores for the whole text; the state can be fed further."""
        return self.feed(state, "", at_end=True)[0]

    def read(self, memory: dict[str, np.ndarray], ids: list[int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Memory and logits after some tokens, also after none."""
        for start in range(0, max(1, len(ids)), STEPS):
            outputs = self.run([ids[start : start + STEPS]], memory)
            memory = {name: outputs[f"next_{name}"] for name in memory}
        return memory, outputs["logits"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="texts to classify; none reads standard input")
    parser.add_argument("--model", default="model.onnx", help="file of the graph in this folder")
    parser.add_argument("--stream", action="store_true", help="read standard input as one text, while it arrives")
    args = parser.parse_args()
    if args.stream and args.texts:
        parser.error("--stream reads standard input: give no texts")
    classifier = OnnxClassifier(model=args.model)
    if args.stream:
        state = classifier.start()
        while piece := sys.stdin.buffer.read1(65_536):
            scores, state = classifier.feed(state, piece)
            print(f"{scores[0]['label']}\t{scores[0]['score']:.4f}", flush=True)
        best = classifier.finish(state)[0]
        print(f"{best['label']}\t{best['score']:.4f}")
        return
    texts = args.texts or [line.rstrip("\r\n") for line in sys.stdin]
    for text, best in zip(texts, classifier(texts), strict=True):
        print(f"{best['label']}\t{best['score']:.4f}\t{text}")


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # whoever reads the output has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.exit(1)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
