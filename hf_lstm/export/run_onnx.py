"""Run an exported classifier with only onnxruntime, tokenizers and numpy.

python run_onnx.py "What a film."                       # prints label, score and text, separated by tabs
python run_onnx.py --model model_int8.onnx < texts.txt  # one text per line
some_program | python run_onnx.py --stream              # the prediction so far; requires an export with --stateful
llm | python run_onnx.py --stream --stop_when toxic 0.9 5   # ends after 5 such tokens, with status 3

from run_onnx import OnnxClassifier
classifier = OnnxClassifier("folder")
classifier("What a film.")                              # [{"label": "positive", "score": 0.98}], as from the pipeline
classifier.predict(["What a film."])                    # the same, but without labels below their threshold
"""

import argparse
import copy
import math
import os
import sys
from array import array
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

# This file is also copied to exported folders, where the functions of the package are in files next to it.
if TYPE_CHECKING or __package__:
    from ..guarding import Verdict
    from ..text import take_stable_text
    from .guard_onnx import StopRule, StreamState, guard
    from .onnx_session import OnnxSession
else:
    from boundaries import take_stable_text
    from guard_onnx import StopRule, StreamState, guard
    from onnx_session import OnnxSession
    from verdict import Verdict

__all__ = ["OnnxClassifier", "guard"]

# Tokens of a stream that are read at once, which bounds the memory for a long piece.
STEPS = 512

# Texts that are scored and printed at a time, which bounds the memory for a long list.
WINDOW = 2_048

# Exit status after the stop rule has ended the stream.
STOPPED = 3


class OnnxClassifier(OnnxSession):
    """Text classifier exported by hf_lstm; the arguments are those of [`OnnxSession`]."""

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

    def probabilities(self, logits: list[float]) -> list[float]:
        """
        Convert the logits of a text to probabilities; those of a regression are returned unchanged.

        They have single precision, as those of the model: a probability of 0.999999999 is 1, so that a stop rule with a
        probability of 1 is met by both.
        """
        # Plain numbers, because numpy takes longer for the few labels of a text.
        if self.problem_type == "regression":
            return logits
        if self.problem_type == "multi_label_classification":
            scores = [0.5 + 0.5 * math.tanh(0.5 * logit) for logit in logits]  # the sigmoid
        else:
            highest = max(logits)
            powers = [math.exp(logit - highest) for logit in logits]
            total = sum(powers)
            scores = [power / total for power in powers]
        return array("f", scores).tolist()

    def format_predictions(self, logits: np.ndarray) -> list[list[dict]]:
        """Return all labels with their scores, highest score first, for each row of logits."""
        rows = [zip(self.labels, self.probabilities(row), strict=True) for row in logits.tolist()]
        return [
            [{"label": label, "score": score} for label, score in sorted(row, key=itemgetter(1), reverse=True)]
            for row in rows
        ]

    def start(self) -> StreamState:
        """Return the state before the first piece of a text.

        Raises:
            ValueError: If the model was exported without the state.
        """
        state = self.initial_state(1)
        if not state:
            raise ValueError("This model was exported without --stateful.")
        return StreamState(*self.read(state, self.encode([""])[0]))  # the tokens that start every text

    def stop_when(self, label: str, probability: float, for_tokens: int = 1) -> "OnnxClassifier":
        """
        Return a classifier with a stop rule, instead of that of the model.

        Args:
            label: Label to watch.
            probability: Probability that the label must reach.
            for_tokens: Number of consecutive tokens after which it must be reached.

        Returns:
            A classifier with the same graph, whose states have a `verdict` once the rule is met.

        Raises:
            ValueError: There is no such label, or a number is out of range.
        """
        if self.problem_type == "regression" or label not in self.labels:
            raise ValueError(f"There is no label {label!r} with a probability; labels: {', '.join(self.labels)}.")
        if not 0 < probability <= 1 or for_tokens < 1 or for_tokens % 1:
            raise ValueError(
                "A stop rule needs a probability above 0 and at most 1, and a whole number of at least 1 token."
            )
        other = copy.copy(self)
        other.stop_rule = StopRule(label, probability, for_tokens)
        return other

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
        ids, spans = self.encode_piece(text)
        # A stop rule needs the probability after each token.
        steps = STEPS if self.stop_rule is None else 1
        for start in range(0, len(ids), steps):
            part = ids[start : start + steps]
            tensors, logits = self.read(state.tensors, part)
            state = state._replace(tensors=tensors, logits=logits, num_tokens=state.num_tokens + len(part))
            if self.stop_rule is not None:
                state = self.apply_stop_rule(self.stop_rule, state, spans[start])
        state = state._replace(held=held, undecoded=undecoded, position=state.position + len(text))
        return self.format_predictions(state.logits)[0], state

    def apply_stop_rule(self, rule: StopRule, state: StreamState, span: tuple[int, int]) -> StreamState:
        """Update the streak of the stop rule and its verdict after a token; `span` counts from `state.position`."""
        probability = self.probabilities(state.logits[0].tolist())[self.labels.index(rule.label)]
        start, end = (state.position + offset for offset in span)
        if probability < rule.probability:
            return state._replace(streak=0)
        state = state._replace(streak=state.streak + 1, streak_start=state.streak_start if state.streak else start)
        if state.streak != rule.for_tokens or state.verdict is not None:
            return state
        return state._replace(verdict=Verdict(rule.label, probability, end, state.num_tokens, state.streak_start))

    def finish(self, state: StreamState) -> list[dict]:
        """Return all labels with their scores for the text as if it ended here; the state can still be used."""
        return self.feed(state, "", at_end=True)[0]

    def read(self, tensors: dict[str, np.ndarray], ids: list[int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the state and the logits `(1, num_labels)` after at least one more token."""
        outputs = self.run([ids], tensors)
        return {name: outputs[f"next_{name}"] for name in tensors}, outputs["logits"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="texts to classify; by default, the lines of standard input")
    parser.add_argument("--model", default="model.onnx", help="file name of the graph (default: %(default)s)")
    parser.add_argument("--stream", action="store_true", help="read standard input as one text while it arrives")
    parser.add_argument(
        "--stop_when",
        nargs=3,
        metavar=("LABEL", "PROBABILITY", "TOKENS"),
        help=f"stop the stream, with status {STOPPED}, when LABEL had at least this PROBABILITY for TOKENS consecutive "
        "tokens (default: the rule in config.json, if any)",
    )
    args = parser.parse_args()
    if args.stream and args.texts:
        parser.error("--stream reads standard input and cannot be combined with texts")
    if args.stop_when and not args.stream:
        parser.error("--stop_when requires --stream")
    classifier = OnnxClassifier(model=args.model)
    if args.stop_when:
        label, probability, tokens = args.stop_when
        classifier = classifier.stop_when(label, float(probability), int(tokens))
    if args.stream:
        read_stream(classifier)
        return
    remaining = iter(args.texts or (line.rstrip("\r\n") for line in sys.stdin))
    while texts := list(islice(remaining, WINDOW)):
        for text, prediction in zip(texts, classifier.predict(texts), strict=True):
            # One line per text, without tabs, and without lone surrogates, which cannot be printed.
            shown = " ".join(text.split()).encode("utf-8", "replace").decode()
            print(f"{format_line(prediction)}\t{shown}")


def read_stream(classifier: OnnxClassifier) -> None:
    """Print the prediction for standard input as it arrives. A stop rule ends the process with status `STOPPED`."""
    state, at_end = classifier.start(), False
    while not at_end and state.verdict is None:
        piece = os.read(sys.stdin.fileno(), 65_536)  # returns as soon as anything has arrived
        at_end = not piece
        scores, state = classifier.feed(state, piece, at_end)
        print(format_line(classifier.choose(scores)), flush=True)
    if state.verdict is not None and classifier.stop_rule is not None:
        label, probability, tokens = classifier.stop_rule
        reason = f"{label} had a probability of {probability:g} or more for {tokens:,} token{'s' * (tokens != 1)}"
        print(f"stopped at character {state.verdict.position:,}: {reason}", file=sys.stderr)
        sys.exit(STOPPED)


def format_line(prediction: dict) -> str:
    """
    Return `label<TAB>score`; several are joined by commas. If no label reaches its threshold, the first part is
    `(no label)`; in a regression, it is empty.
    """
    label, score = prediction.get("label", ""), prediction["score"]
    if label in (None, []):
        label = "(no label)"
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
