"""`python -m engine.cli` is `tagscope`."""

from engine.cli import main

main()
