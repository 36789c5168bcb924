"""Export classifiers to ONNX, with files to run them without torch."""

from .onnx_export import RUNNER_FILES, export_onnx
from .run_onnx import OnnxClassifier

__all__ = ["RUNNER_FILES", "OnnxClassifier", "export_onnx"]
