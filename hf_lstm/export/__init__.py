"""Export classifiers to ONNX, with files to run them without torch."""

from .onnx_export import export_onnx
from .run_onnx import OnnxClassifier

__all__ = ["OnnxClassifier", "export_onnx"]
