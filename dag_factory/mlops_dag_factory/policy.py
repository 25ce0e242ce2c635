"""What Airflow asks of every DAG before it keeps it: ours show the workflow file as their code, not the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.configuration import conf
from airflow.policies import hookimpl

if TYPE_CHECKING:
    from airflow.sdk import DAG

SOURCE = "workflow_file"
"""Attribute in which the loader leaves the path of the workflow file."""


if conf.getboolean("mlops", "import_yaml", fallback=False):
    from mlops_dag_factory.importer import install

    install()  # Airflow loads its policies before anything lists or imports DAG files


@hookimpl
def dag_policy(dag: DAG) -> None:
    """Point the code view of a DAG that came from a workflow file to that file; other DAGs are left alone.

    Workers find the DAG by its relative path, which stays the loader's.
    """
    file = getattr(dag, SOURCE, None)
    if file is not None:
        dag.fileloc = file
