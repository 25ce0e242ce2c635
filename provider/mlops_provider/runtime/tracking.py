"""MLflow: one tracking run per workflow run, the registry with challenger and champion.

Importing MLflow takes seconds, so only the phases that concern a model come here, and only inside functions.
"""

from __future__ import annotations

import fcntl
import logging
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, RegistryError
from mlops_provider.refs import ModelRef

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

    if not uri.startswith(_SQLITE):
        return MlflowClient(uri, uri)
    file = Path(uri.removeprefix(_SQLITE))
    file.parent.mkdir(parents=True, exist_ok=True)
    with _lock(file.with_name(f"{file.name}.lock")):
        made = MlflowClient(uri, uri)
        made.search_registered_models(max_results=1)
    return made


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tracking_run(context: RunContext) -> str:
    """Give the id of the tracking run of this workflow run; made when it is not there."""
    api = client(context.tracking_uri)
    experiment = _experiment(api, context.workflow)
    quoted = context.run_id.replace("'", "")
    found = api.search_runs([experiment], f"tags.`{RUN_TAG}` = '{quoted}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    tags = {RUN_TAG: quoted, "mlops.workflow": context.workflow, "mlops.reason": str(context.reason)[:4000]}
    return str(api.create_run(experiment, tags=tags, run_name=context.run_id).info.run_id)


def mirror(context: RunContext, *, parameters: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    """Log a phase's parameters and metrics to the tracking run, under the phase's name. No tracking: do nothing."""
    if not context.tracking_uri:
        return
    from mlflow.entities import Metric, Param

    api, run_id, stamp = client(context.tracking_uri), tracking_run(context), int(time.time() * 1000)
    known = api.get_run(run_id).data.params
    params = {f"{context.phase}.{_name(key)}": str(value)[:6000] for key, value in parameters.items()}
    api.log_batch(
        run_id,
        metrics=[Metric(f"{context.phase}.{_name(name)}", float(value), stamp, 0) for name, value in metrics.items()],
        params=[Param(key, value) for key, value in params.items() if key not in known],
    )


def register_version(context: RunContext, name: str, model: ModelRef, *, tags: Mapping[str, str]) -> ModelRef:
    """Make the model a version, exactly once for this phase of this run; a retry finds the one that is there."""
    from mlflow.exceptions import MlflowException

    api = client(context.tracking_uri)
    try:
        _ensure_registered_model(api, name)
        version = _version_by_identity(api, name, context.identity)
        if version is None:
            all_tags = {IDENTITY_TAG: context.identity, DIGEST_TAG: model.digest, **tags}
            made = api.create_model_version(name, model.uri, tracking_run(context), tags=all_tags)
            version = str(made.version)
    except MlflowException as err:
        raise RegistryError(f"'{name}' could not be registered: {err}") from err
    return ModelRef(uri=model.uri, digest=model.digest, name=name, version=version)


def set_alias(tracking_uri: str, name: str, alias: str, version: str) -> None:
    """Point an alias at a version."""
    from mlflow.exceptions import MlflowException

    try:
        client(tracking_uri).set_registered_model_alias(name, alias, version)
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


def _version_by_identity(api: MlflowClient, name: str, identity: str) -> str | None:
    found = [v for v in api.search_model_versions(f"name = '{name}'") if v.tags.get(IDENTITY_TAG) == identity]
    return str(found[0].version) if found else None


def _name(text: str) -> str:
    return "".join(char if char.isalnum() or char in "_-./ " else "_" for char in text)
