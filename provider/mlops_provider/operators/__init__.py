"""Operators: one phase per file, thin."""
