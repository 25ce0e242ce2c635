"""Who can say that an entry of an audit chain was there: the records of phases, and MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import RegistryError
from mlops_provider.runtime import tracking
from mlops_provider.runtime.aliases import AUDIT_TAG
from mlops_provider.runtime.records import list_runs, run_records
from mlops_provider.store.chain_check import Witness
from mlops_provider.store.model_versions import list_versions, names_of, read_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.store.store import Store

_WRITERS = frozenset({"register", "approve", "override", "release", "report"})


def record_witnesses(store: Store, workflow: str) -> list[Witness]:
    """Give what the records of runs name: phases that write entries keep number and hash of theirs."""
    documents = [read_version(store, name, v) for name in names_of(store, workflow) for v in list_versions(store, name)]
    actors = sorted({workflow, *(document["workflow"] for document in documents if document)})
    records = (
        record for actor in actors for run in list_runs(store, actor) for record in run_records(store, actor, run)
    )
    return [
        Witness(entry["number"], entry["hash"], f"the record of {record['phase']} in run {record['run_id']}")
        for record in records
        if record["phase_type"] in _WRITERS
        and (entry := (record.get("details") or {}).get("entry"))
        and entry["chain"] == workflow
    ]


def registry_witnesses(tracking_uri: str, names: Iterable[str]) -> list[Witness]:
    """Give what MLflow keeps: for each registered name the latest entry when its aliases were last mirrored."""
    from mlflow.exceptions import MlflowException

    found = []
    for name in names:
        try:
            said = tracking.client(tracking_uri).get_registered_model(name).tags.get(AUDIT_TAG, "")
        except MlflowException as err:
            raise RegistryError(f"MLflow cannot be asked about '{name}': {err}") from err
        number, _, digest = said.partition(":")
        if digest:
            found.append(Witness(int(number), digest, f"MLflow's tag {AUDIT_TAG} of '{name}'"))
    return found
