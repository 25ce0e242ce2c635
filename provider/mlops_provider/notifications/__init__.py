"""Notifications: who is told of what becomes of a phase."""
