"""Judging a classifier: metrics, their uncertainty, slices and plain words. Takes arrays and frames, knows no model."""
