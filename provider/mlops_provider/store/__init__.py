"""Immutable, content-addressed datasets, models and reports on any fsspec URL, and compare-and-set documents."""
