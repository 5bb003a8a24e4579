"""The labelled table: columns, loading, cleaning, splits, tags and immutable snapshots.

This package stays light: import the module you need (``from engine.dataset.loading import load_table``), so that
serving, which needs `engine.dataset.cleaning` only, does not pay for pandas.
"""
