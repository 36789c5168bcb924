"""Export classifiers to ONNX, with files to run them without torch."""

from .onnx_export import export_onnx as export_onnx
from .run_onnx import OnnxClassifier as OnnxClassifier
