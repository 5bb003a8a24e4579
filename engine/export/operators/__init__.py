"""Operators that ONNX lacks: functions inside the model, and Python functions."""
