"""Drift and quality of a window's columns: scores of all rows, their chance, and the judgement."""
