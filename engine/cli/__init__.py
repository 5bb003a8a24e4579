"""`tagscope ...`: the command line, thin; `app` holds it."""

from engine.cli.app import main

__all__ = ["main"]
