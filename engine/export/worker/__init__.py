"""The process of its own that each export gets: `python -P -m engine.export.worker FOLDER`, and who starts it."""
