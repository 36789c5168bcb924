"""Export classifiers to ONNX, with files to run them without torch."""

from .onnx_export import RUNNER_FILES as RUNNER_FILES, export_onnx as export_onnx
from .run_onnx import OnnxClassifier as OnnxClassifier
