"""The audit: from one prediction, version or run back to all that led to it, each link looked at as it is now."""
