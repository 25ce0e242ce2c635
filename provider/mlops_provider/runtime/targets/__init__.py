"""Where a service runs: one contract (`target.py`) and who keeps it."""
