"""FastAPI and a torch `.pt`, eager: `uvicorn fastapi_torch:app`."""

from card import TorchTagger
from fastapi_server import make_app

app = make_app(TorchTagger())
