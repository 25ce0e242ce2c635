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
from mlops_provider.store.standing import read_standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow import MlflowClient

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.store import Store

IDENTITY_TAG = "mlops.identity"
DIGEST_TAG = "mlops.digest"
RUN_TAG = "mlops.run_id"
CHALLENGER, CHAMPION = "challenger", "champion"
_SQLITE = "sqlite:///"


@cache
def client(uri: str) -> MlflowClient:
    """Give a client; a fresh SQLite file is initialised once, under a lock, and appears whole or not at all."""
    if not uri:
        raise ConfigError("there is no model registry", hint="set [mlops] tracking_uri or tracking_conn_id")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    with locked(uri):
        if uri.startswith(_SQLITE) and not (file := Path(uri.removeprefix(_SQLITE))).exists():
            fresh = file.with_name(f"{file.name}.new")  # MLflow never mends a schema whose making was cut short
            fresh.unlink(missing_ok=True)
            MlflowClient(f"{_SQLITE}{fresh}", f"{_SQLITE}{fresh}").search_registered_models(max_results=1)
            fresh.replace(file)
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
        run_id = tracking_run(context)
        _log(context.tracking_uri, run_id, entries)
    except MlflowException as err:
        raise RegistryError(f"the run could not be logged: {err}") from err


def _log(uri: str, run_id: str, entries: list[Entry]) -> None:
    """Log entries; where another phase logged the same ones between our look and our write, look again."""
    from mlflow.exceptions import MlflowException

    with locked(uri):
        try:
            log_entries(client(uri), run_id, entries)
        except MlflowException:
            log_entries(client(uri), run_id, entries)


def register_version(context: RunContext, name: str, model: ModelRef, *, tags: Mapping[str, str]) -> ModelRef:
    """Make the model a version, exactly once for this phase of this run; a retry finds the one that is there.

    When the run was repeated from training and gave another model, that one is another version. Where attempts at the
    same moment, or one that was killed, left several versions of the same identity, the first counts and the others are
    removed, whichever run comes by first.
    """
    from mlflow.exceptions import MlflowException

    api = client(context.tracking_uri)
    try:
        _ensure_registered_model(api, name)
        wanted = {IDENTITY_TAG: context.identity, DIGEST_TAG: model.digest}
        run_id = tracking_run(context)
        with locked(context.tracking_uri):
            version = _first_version(api, name, wanted)
            if version is None:
                made = api.create_model_version(name, model.uri, run_id, tags={**wanted, **tags})
                version = _first_version(api, name, wanted) or str(made.version)
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


def champion(store: Store, tracking_uri: str, name: str) -> ModelRef | None:
    """Give the champion, or None when there is none yet.

    The audit chain says who it is, without MLflow; only where it knows none, an alias of MLflow's counts.
    """
    standing = read_standing(store, name)
    if standing.champion is not None:
        return standing.champion.ref(store, name)
    return registered_champion(tracking_uri, name) if tracking_uri else None


def registered_champion(tracking_uri: str, name: str) -> ModelRef | None:
    """Give the version that MLflow's alias points at, or None when there is no such alias."""
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


def _first_version(api: MlflowClient, name: str, tags: Mapping[str, str]) -> str | None:
    """Give the first version with these tags; later ones of one identity and digest, of any run, are removed."""
    first: dict[tuple[str, str], int] = {}
    for number in sorted(versions := {int(v.version): v.tags for v in api.search_model_versions(f"name = '{name}'")}):
        key = (versions[number].get(IDENTITY_TAG, ""), versions[number].get(DIGEST_TAG, ""))
        if all(key) and first.setdefault(key, number) != number:
            _remove_version(api, name, str(number))
    found = first.get((tags[IDENTITY_TAG], tags[DIGEST_TAG]))
    return str(found) if found else None


def _remove_version(api: MlflowClient, name: str, version: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        api.delete_model_version(name, version)
    except MlflowException as err:
        if err.error_code != "RESOURCE_DOES_NOT_EXIST":  # another attempt removed it
            raise
