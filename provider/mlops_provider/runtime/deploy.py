"""Phase `deploy`: make a service run a model version in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import UNDONE, ConfigError, ServiceError, ServiceFailedError
from mlops_provider.refs import ModelRef, ServiceRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.store.service_reports import wait_until_ready
from mlops_provider.store.services import Action, Change, ServedVersion, Service, now, restore, set_version

if TYPE_CHECKING:
    from mlops_dag_factory.spec.deploy import DeploySpec
    from mlops_dag_factory.spec.release import ReleaseSpec


def run(config: DeploySpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Change the record, wait until the servers report the version healthy."""
    service, url, _ = bring_up(config, inputs, context, "deploy")
    return _outcome(service, url, f"Version {service.version} answers at {url}.", {})


def bring_up(
    config: DeploySpec | ReleaseSpec, inputs: Inputs, context: RunContext, action: Action
) -> tuple[ServiceRef, str, Service]:
    """Give a model version the traffic of an environment; when servers cannot run it, put back what ran before."""
    model: ModelRef = one(inputs, "model", ModelRef)
    require_registered(model)
    store = context.store()
    named = ModelRef(uri=model.uri, digest=model.digest, name=context.workflow, version=model.version)
    reason = str((context.reason.get("payload") or {}).get("why") or context.reason.get("kind", ""))
    change = Change(id=context.identity, action=action, by=context.owner, at=now(), reason=reason)
    service = set_version(
        store, context.workflow, config.environment, ServedVersion(version=model.version, model=named), change
    )
    _check_not_superseded(service, model, change)
    try:
        reports = wait_until_ready(store, service, model.digest, config.wait.total_seconds())
    except ServiceError as err:
        back = restore(store, service, err.message).primary
        before = f"version {back.version} runs {UNDONE}" if back else f"nothing runs, {UNDONE}"
        raise type(err)(f"{err.message}; {before}", hint=err.hint) from err
    except BaseException:  # the task was stopped or timed out: no half deployment stays
        restore(store, service, "the wait for the servers was cut short")
        raise
    ref = ServiceRef(
        uri=store.uri(service.key),
        digest=model.digest,
        name=service.name,
        version=model.version,
        revision=service.revision,
        url=reports[0].url,
    )
    return ref, reports[0].url, service


def require_registered(model: ModelRef) -> None:
    """Refuse a model that has no version yet."""
    if not model.version:
        raise ConfigError(
            f"the model {model.digest[:12]} is not registered", hint="put a phase of type register before"
        )


def _check_not_superseded(service: Service, model: ModelRef, change: Change) -> None:
    """Refuse to go on with a change that somebody undid or replaced since an earlier try made it."""
    primary, latest = service.primary, service.change
    if latest and latest.id != change.id and (primary is None or primary.model.digest != model.digest):
        now_runs = f"version {primary.version}" if primary else "nothing"
        raise ServiceFailedError(
            f"{service.name}: this {change.action} was made before and then followed by a {latest.action} by "
            f"'{latest.by}' at {latest.at}; {now_runs} stays",
            hint="start a new run to bring the version back",
        )


def _outcome(service: ServiceRef, url: str, summary: str, details: dict[str, Any]) -> Outcome:
    return Outcome(outputs={"service": service}, summary=summary, details={"url": url, **details})
