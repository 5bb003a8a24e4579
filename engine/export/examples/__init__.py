"""Modules that show what the exporter does: each is exported and compared in the tests and benchmarks."""
