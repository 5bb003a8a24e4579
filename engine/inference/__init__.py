"""From texts to predictions through ONNX Runtime: no torch, no pandas, no HTTP."""
