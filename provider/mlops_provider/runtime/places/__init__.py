"""Where the work of a phase is done when that is not the worker's own process."""
