"""The monitor: read the window, check it, decide what is done."""
