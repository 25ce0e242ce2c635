"""Airflow's tasks that wait for people: which there are, and how one is told that its decision was made.

A task that waits is resumed as Airflow's own route for answers does it, in one transaction with the task's row locked.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.models.hitl import HITLDetail, HITLUser
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.sdk.timezone import utcnow
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

_WAITING = (TaskInstanceState.AWAITING_INPUT, TaskInstanceState.DEFERRED)
_SETTLED_SECONDS = 3.0
"""A task that is resumed before the scheduler has seen its process end looks like a crash to Airflow 3.3."""
_TRIES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaitingTask:
    """A task that waits for people: what it asks, since when."""

    dag_id: str
    run_id: str
    task_id: str
    operator: str
    question: str
    since: datetime


def waiting_tasks(dag_ids: Collection[str]) -> list[WaitingTask]:
    """Give what waits in some DAGs, the oldest first."""
    query = (
        select(TaskInstance, HITLDetail)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(
            TaskInstance.dag_id.in_(dag_ids),
            TaskInstance.state.in_(_WAITING),
            HITLDetail.responded_at.is_(None),
        )
        .order_by(HITLDetail.created_at)
    )
    with create_session(scoped=False) as session:
        return [
            WaitingTask(ti.dag_id, ti.run_id, ti.task_id, ti.operator or "", detail.subject, detail.created_at)
            for ti, detail in session.execute(query).unique()
        ]


def resume(dag_id: str, run_id: str, task_id: str, *, option: str, user: str, name: str) -> bool:
    """Let a waiting task go on; False where it does not wait, so that calling again does no harm."""
    for left in reversed(range(_TRIES)):
        try:
            return _resume(dag_id, run_id, task_id, option, HITLUser(id=user, name=name))
        except OperationalError:  # SQLite is locked by another writer
            if not left:
                raise
            time.sleep(1)
    return False


def _resume(dag_id: str, run_id: str, task_id: str, option: str, user: HITLUser) -> bool:
    with create_session(scoped=False) as session:
        query = select(TaskInstance).where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.run_id == run_id,
            TaskInstance.task_id == task_id,
            TaskInstance.map_index == -1,
        )
        seen = session.scalar(query)
        if seen is None or seen.state not in _WAITING:
            return False
        age = (utcnow() - seen.updated_at).total_seconds() if seen.updated_at else 0.0
        session.rollback()
        time.sleep(min(_SETTLED_SECONDS, max(0.0, _SETTLED_SECONDS - age)))
        task = session.scalar(query.with_for_update(of=TaskInstance).execution_options(populate_existing=True))
        if task is None or task.state not in _WAITING:
            return False
        detail = session.scalar(select(HITLDetail).where(HITLDetail.ti_id == task.id).with_for_update(of=HITLDetail))
        if detail is None or detail.response_received:
            return False
        detail.responded_by, detail.responded_at = user, utcnow()
        detail.chosen_options, detail.params_input = [option], {}
        handle_event_submit(TriggerEvent(detail.as_resume_event_payload()), task_instance=task, session=session)
        log.info("%s of run %s of %s goes on: %s", task_id, run_id, dag_id, option)
        return True
