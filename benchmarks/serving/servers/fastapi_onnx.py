"""FastAPI and ONNX Runtime: `uvicorn fastapi_onnx:app`."""

from card import OnnxTagger
from fastapi_server import make_app

app = make_app(OnnxTagger())
