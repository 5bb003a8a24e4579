"""ONNX files from elsewhere: read, rewritten to what a run holds, and tried."""
