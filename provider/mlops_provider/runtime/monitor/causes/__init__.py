"""The root cause of a breach: what moved, since when, what else changed then; each statement is computed."""
