"""MLflow: one tracking run per workflow run, the registry with challenger and champion.

Importing MLflow takes seconds, so only the phases that concern a model come here, and only inside functions.
"""

from __future__ import annotations

import fcntl
import logging
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, RegistryError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.tracking_entries import Entry, earlier_phases, log_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow import MlflowClient

    from mlops_provider.runtime.contract import RunContext

IDENTITY_TAG = "mlops.identity"
DIGEST_TAG = "mlops.digest"
RUN_TAG = "mlops.run_id"
CHALLENGER, CHAMPION = "challenger", "champion"
_SQLITE = "sqlite:///"


@cache
def client(uri: str) -> MlflowClient:
    """Give a client; a fresh SQLite file is initialised once, under a lock."""
    if not uri:
        raise ConfigError("there is no model registry", hint="set [mlops] tracking_uri or tracking_conn_id")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    with locked(uri):
        made = MlflowClient(uri, uri)
        if uri.startswith(_SQLITE):
            made.search_registered_models(max_results=1)
    return made


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """Keep the other processes of this machine away from an SQLite file; servers look after themselves."""
    if not uri.startswith(_SQLITE):
        yield
        return
    file = Path(uri.removeprefix(_SQLITE))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_name(f"{file.name}.lock").open("w")
    except OSError as err:
        raise RegistryError(f"{uri} cannot be written: {err}") from err
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def tracking_run(context: RunContext) -> str:
    """Give the id of the tracking run of this workflow run; made when it is not there."""
    api = client(context.tracking_uri)
    experiment = _experiment(api, context.workflow)
    quoted = context.run_id.replace("'", "")
    with locked(context.tracking_uri):
        wanted = f"tags.`{RUN_TAG}` = '{quoted}'"
        found = api.search_runs([experiment], wanted, max_results=1, order_by=["attributes.start_time ASC"])
        if found:
            return str(found[0].info.run_id)
        tags = {RUN_TAG: quoted, "mlops.workflow": context.workflow, "mlops.reason": str(context.reason)[:4000]}
        return str(api.create_run(experiment, tags=tags, run_name=context.run_id).info.run_id)


def mirror(context: RunContext, *, parameters: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    """Log a phase, and the phases of the run that were recorded before it, to the tracking run.

    Each parameter and metric stands under its phase's name. No tracking: do nothing.
    """
    if not context.tracking_uri:
        return
    from mlflow.exceptions import MlflowException

    entries = earlier_phases(context)
    entries.append(Entry(phase=context.phase, parameters=dict(parameters), metrics=dict(metrics)))
    try:
        log_entries(client(context.tracking_uri), tracking_run(context), entries)
    except MlflowException as err:
        raise RegistryError(f"the run could not be logged: {err}") from err


def register_version(context: RunContext, name: str, model: ModelRef, *, tags: Mapping[str, str]) -> ModelRef:
    """Make the model a version, exactly once for this phase of this run; a retry finds the one that is there.

    When the run was repeated from training and gave another model, that one is another version.
    """
    from mlflow.exceptions import MlflowException

    api = client(context.tracking_uri)
    try:
        _ensure_registered_model(api, name)
        wanted = {IDENTITY_TAG: context.identity, DIGEST_TAG: model.digest}
        version = _version_by_tags(api, name, wanted)
        if version is None:
            run_id = tracking_run(context)
            made = str(api.create_model_version(name, model.uri, run_id, tags={**wanted, **tags}).version)
            version = _version_by_tags(api, name, wanted) or made
            if version != made:  # another attempt, thought dead, was first
                api.delete_model_version(name, made)
    except MlflowException as err:
        if err.error_code == "INVALID_PARAMETER_VALUE":
            raise ConfigError(f"'{name}' cannot be registered: {err}") from err
        raise RegistryError(f"'{name}' could not be registered: {err}") from err
    return ModelRef(uri=model.uri, digest=model.digest, name=name, version=version)


def set_alias(tracking_uri: str, name: str, alias: str, version: str) -> None:
    """Point an alias at a version.

    MLflow looks whether the alias is there and then inserts it: of two processes in a file, one would fail.
    """
    from mlflow.exceptions import MlflowException

    api = client(tracking_uri)
    try:
        with locked(tracking_uri):
            api.set_registered_model_alias(name, alias, version)
    except MlflowException as err:
        raise RegistryError(f"alias '{alias}' of '{name}' could not be moved to version {version}: {err}") from err


def champion(tracking_uri: str, name: str) -> ModelRef | None:
    """Give the champion, or None when there is none yet."""
    from mlflow.exceptions import MlflowException

    try:
        version = client(tracking_uri).get_model_version_by_alias(name, CHAMPION)
    except MlflowException as err:
        if err.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise RegistryError(f"the champion of '{name}' cannot be read: {err}") from err
    digest = version.tags.get(DIGEST_TAG, "")
    return ModelRef(uri=version.source or "", digest=digest, name=name, version=str(version.version))


def _experiment(api: MlflowClient, workflow: str) -> str:
    from mlflow.exceptions import MlflowException

    found = api.get_experiment_by_name(workflow)
    if found is None:
        try:
            return str(api.create_experiment(workflow))
        except MlflowException:  # another task of the same moment made it
            found = api.get_experiment_by_name(workflow)
    if found is None:
        raise RegistryError(f"experiment '{workflow}' can neither be found nor made")
    return str(found.experiment_id)


def _ensure_registered_model(api: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        api.create_registered_model(name)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version_by_tags(api: MlflowClient, name: str, tags: Mapping[str, str]) -> str | None:
    """Give the first version with these tags."""
    found = [v for v in api.search_model_versions(f"name = '{name}'") if tags.items() <= v.tags.items()]
    return str(min(int(v.version) for v in found)) if found else None
