"""Batch scoring: partitions of a dataset, what a model answers for each, and where the answers go."""
