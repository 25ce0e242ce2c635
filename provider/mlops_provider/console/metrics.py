"""Metrics of services and monitors for Prometheus, which logs in as everybody does: with a bearer token."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, Response

from mlops_provider.console.answers import open_store
from mlops_provider.store.services import list_service_names

router = APIRouter(dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))])
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics")
def all_metrics() -> Response:
    """Give the metrics of all services; for whoever may read every DAG."""
    return _text(None)


@router.get("/dags/{dag_id}/metrics")
def workflow_metrics(dag_id: str) -> Response:
    """Give the metrics of a workflow's services."""
    return _text(dag_id)


def _text(workflow: str | None) -> Response:
    from mlops_provider.runtime.monitor.service.exposition import exposition

    store = open_store()
    services = [found for found in list_service_names(store) if workflow in {None, found[0]}]
    return Response(exposition(store, services), media_type=_TEXT)
