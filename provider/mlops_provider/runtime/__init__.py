"""The work of phases: pure functions that take a config, references and a context, and give an outcome.

Nothing here imports Airflow or reads a connection; `python -m mlops_provider.runtime PHASE JSON` runs a phase anywhere.
"""
