"""Links from a task in Airflow's UI to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


def record_address(dag_id: str, run_id: str, task_id: str) -> str:
    """Give the address of the page with the record of a phase."""
    return f"{_base()}/dags/{dag_id}/runs/{quote(run_id, safe='')}/phases/{task_id}"


def approval_address(dag_id: str, run_id: str, phase: str) -> str:
    """Give the address of the page on which people decide."""
    return f"{_base()}/dags/{dag_id}/runs/{quote(run_id, safe='')}/approvals/{phase}"


def decision_address(token: str) -> str:
    """Give the address that a signed link opens."""
    return f"{_base()}/decide/{token}"


def _base() -> str:
    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/mlops"


class PhaseRecordLink(BaseOperatorLink):
    """The page with the record of a phase: what went in, what came out, what it says."""

    name = "Phase record"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 (Airflow's signature)
        """Give the address of the page."""
        workers = ti_key.task_id.endswith(".trial") and ti_key.map_index >= 0
        phase = f"{ti_key.task_id}@{ti_key.map_index + 1}" if workers else ti_key.task_id
        return record_address(ti_key.dag_id, ti_key.run_id, phase)
