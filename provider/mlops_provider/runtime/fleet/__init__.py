"""A fleet: many models from one definition, each with a gate of its own, and one summary of them all."""
