"""The program of a Space: the page of the demo for an exported classifier, without torch.

Spaces include a copy of this module, beside the files of the export.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from ..demo import Prediction, build_interface, launch
    from ..export import OnnxClassifier
else:
    from interface import build_interface, launch
    from live_text import Prediction
    from run_onnx import OnnxClassifier


class OnnxReader:
    """
    An exported classifier for the demo, see [`Reader`].

    Args:
        name: Name that is shown.
        folder: Folder of the export.
    """

    def __init__(self, name: str, folder: str | Path):
        self.name, self.classifier = name, OnnxClassifier(folder)
        self.labels: list[str] = self.classifier.labels
        self.is_regression = self.classifier.problem_type == "regression"
        self.streams = bool(self.classifier.initial_state(1))  # exported with --stateful

    def predict(self, texts: list[str]) -> list[Prediction]:
        """Classify whole texts."""
        return [self._predict(row) for row in self.classifier(texts, top_k=None)]

    def _predict(self, row: list[dict]) -> Prediction:
        scores = {entry["label"]: entry["score"] for entry in row}
        return Prediction(self.classifier.choose(row).get("label"), {label: scores[label] for label in self.labels})

    def start(self) -> Any:
        """Return the state before the first word."""
        return self.classifier.start()

    def read(self, state: Any, words: list[str]) -> tuple[np.ndarray, Any]:
        """Return the scores after each word, `(words, num_labels)`, and the state after the last one."""
        rows = []
        for word in words:
            row, state = self.classifier.feed(state, word)
            rows.append(list(self._predict(row).scores.values()))
        return np.array(rows, dtype=np.float32), state

    def finish(self, state: Any) -> Prediction:
        """Classify the text so far as if it ended here."""
        return self._predict(self.classifier.finish(state))


if __name__ == "__main__":
    # The Hub sets SPACE_ID to owner/name.
    launch(build_interface([OnnxReader(os.environ.get("SPACE_ID", "model"), Path(__file__).parent)]))
