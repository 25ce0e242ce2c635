"""Sensors: wait for something outside, without a worker."""
