"""Airflow provider for machine-learning operations: what a phase does. The package root imports nothing."""
