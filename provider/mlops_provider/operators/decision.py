"""The decision of the monitor, as its actions read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.results import results_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_provider.store.store import Store


def read_decision(context: Context, task_id: str) -> tuple[Store, dict[str, Any]]:
    """Give the store and the details of the record that the deciding task wrote."""
    from mlops_provider.runtime.records import read_record
    from mlops_provider.settings import Settings
    from mlops_provider.store.store import Store

    store = Store(Settings.from_airflow().store_url)
    return store, dict(read_record(store, results_of(context).get(task_id)["record"])["details"])
