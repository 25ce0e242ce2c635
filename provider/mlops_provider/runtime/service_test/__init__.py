"""What is asked of a running service: golden rows, what clients get wrong, single rows for their time, and for long."""
