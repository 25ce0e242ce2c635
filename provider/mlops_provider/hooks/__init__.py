"""Hooks: one external system per file, the only readers of connections."""
