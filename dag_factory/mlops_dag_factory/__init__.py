"""DAG factory for machine-learning workflows: what a workflow is. The package root imports nothing."""
