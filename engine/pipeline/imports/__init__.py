"""Imports: models, or predictions, that came to be elsewhere become runs like our own."""
