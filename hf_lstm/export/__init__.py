"""Export classifiers to ONNX, with files to run them without torch."""

from .onnx_export import export_onnx

__all__ = ["export_onnx"]
