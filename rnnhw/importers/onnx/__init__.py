"""ONNX files: read without running anything, constants folded, axes followed."""
