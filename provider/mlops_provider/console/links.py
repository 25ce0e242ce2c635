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


def report_address(dag_id: str, digest: str) -> str:
    """Give the address of the page of a report."""
    return f"{_base()}/dags/{dag_id}/reports/{digest}/report.html"


def decision_address(token: str) -> str:
    """Give the address that a signed link opens."""
    return f"{_base()}/decide/{token}"


def _base() -> str:
    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/mlops"


class PhaseRecordLink(BaseOperatorLink):
    """The page with the record of a phase: what went in, what came out, what it says."""

    name = "Phase record"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the address of the page; an item and a worker of a search have records of their own."""
        from mlops_provider.runtime.contract import item_label

        phase = getattr(operator, "phase", "") or ti_key.task_id
        item, worker = getattr(operator, "item", None), getattr(operator, "worker", 0)
        if isinstance(item, dict) and item:
            phase = f"{phase}@{item_label(item)}"
        return record_address(ti_key.dag_id, ti_key.run_id, f"{phase}.trial@{worker}" if worker else phase)
