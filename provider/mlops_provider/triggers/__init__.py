"""Triggers: the asynchronous twins of the sensors."""
