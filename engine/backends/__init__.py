"""Backends: what runs an ONNX model here. Import the modules; this package itself stays light (no torch)."""
