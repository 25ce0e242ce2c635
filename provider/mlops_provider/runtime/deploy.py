"""Phase `deploy`: make a service run a model version in an environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import UNDONE, ConfigError, ServiceError, ServiceFailedError
from mlops_provider.refs import ImageRef, ModelRef, ServiceRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.targets.rollout import begin, carry_out, leave, look, undo
from mlops_provider.runtime.targets.wanted import CLUSTERS, wanted_placement
from mlops_provider.store.placements import read_placement, write_placement
from mlops_provider.store.service_reports import wait_until_ready
from mlops_provider.store.services import (
    Action,
    Change,
    ServedVersion,
    Service,
    now,
    read_service,
    restore,
    service_history,
    set_version,
)

if TYPE_CHECKING:
    from datetime import timedelta

    from mlops_dag_factory.spec.deploy import DeploySpec
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_provider.store.placements import Placement
    from mlops_provider.store.store import Store


def run(config: DeploySpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Bring a version up, wait until it answers."""
    service, url, _ = bring_up(config, inputs, context, "deploy")
    placement = read_placement(context.store(), context.workflow, config.environment)
    where = f" on {placement.target}" if placement else ""
    stops = f" It stops by itself at {placement.stops_at}." if placement and placement.stops_at else ""
    return _outcome(service, url, f"Version {service.version} answers at {url}{where}.{stops}", placement)


def bring_up(
    config: DeploySpec | ReleaseSpec, inputs: Inputs, context: RunContext, action: Action
) -> tuple[ServiceRef, str, Service]:
    """Give a model version the traffic of an environment, wherever it runs; or put back what ran before."""
    wanted, served, change = _prepared(config, inputs, context, action)
    store, model = context.store(), served.model
    if wanted.target == "server":
        service, url = _follow(config, served, change, context)
        _note_servers(wanted, url, context)
    else:
        placement = _begun(store, wanted, served, change, config.wait)
        service, url = carry_out(store, placement, context.connections, served, change)
    ref = ServiceRef(
        uri=store.uri(service.key),
        digest=model.digest,
        name=service.name,
        version=model.version,
        revision=service.revision,
        url=url,
    )
    return ref, url, service


def begin_elsewhere(
    config: DeploySpec | ReleaseSpec, inputs: Inputs, context: RunContext, action: Action = "deploy"
) -> Placement | None:
    """Ask a cluster for what a phase wants; give the placement where that takes time, which needs no worker."""
    if getattr(config, "target", "server") not in CLUSTERS:
        return None
    wanted, served, change = _prepared(config, inputs, context, action)
    placement = _begun(context.store(), wanted, served, change, config.wait)
    progress = look(context.store(), placement, context.connections)
    return placement if progress.status == "waiting" else None


def take_back(service: Service, context: RunContext, reason: str) -> Service:
    """Put back what ran before the change that led to a state of a service: the record, and what runs elsewhere."""
    back = restore(context.store(), service, reason)
    placement = read_placement(context.store(), service.workflow, service.environment)
    if placement is not None and service.change is not None and placement.change == service.change.id:
        undo(context.store(), placement, context.connections)
    return back


def deployable(inputs: Inputs) -> tuple[ModelRef, ImageRef | None]:
    """Give the model that is to be deployed, and the image that serves it where one was given."""
    refs = inputs.get("model", [])
    if len(refs) != 1 or not isinstance(refs[0], ImageRef):
        return one(inputs, "model", ModelRef), None
    model = refs[0].model()
    if model is None:
        raise ConfigError(
            f"image {refs[0].uri} serves no model: it runs phases", hint="package with purpose: serving, the default"
        )
    return model, refs[0]


def require_registered(model: ModelRef) -> None:
    """Refuse a model that has no version yet."""
    if not model.version:
        raise ConfigError(
            f"the model {model.digest[:12]} is not registered", hint="put a phase of type register before"
        )


def _prepared(
    config: DeploySpec | ReleaseSpec, inputs: Inputs, context: RunContext, action: Action
) -> tuple[Placement, ServedVersion, Change]:
    """Give what is wanted, the version as the record names it, and the change of the record."""
    model, image = deployable(inputs)
    require_registered(model)
    named = ModelRef(uri=model.uri, digest=model.digest, name=context.workflow, version=model.version)
    reason = str((context.reason.get("payload") or {}).get("why") or context.reason.get("kind", ""))
    change = Change(id=context.identity, action=action, by=context.owner, at=now(), reason=reason)
    wanted = wanted_placement(config, model, image, context)
    return wanted, ServedVersion(version=model.version, model=named), change


def _begun(store: Store, wanted: Placement, served: ServedVersion, change: Change, wait: timedelta) -> Placement:
    """Write the placement, unless this change was made before and somebody has changed the service since."""
    if any(state.change and state.change.id == change.id for state in service_history(store, *wanted.service)):
        _check_not_superseded(read_service(store, *wanted.service), served.model, change)
    return begin(store, wanted, wait)


def _follow(
    config: DeploySpec | ReleaseSpec, served: ServedVersion, change: Change, context: RunContext
) -> tuple[Service, str]:
    """Change the record, wait until the servers report the version healthy."""
    store = context.store()
    service = set_version(store, context.workflow, config.environment, served, change)
    _check_not_superseded(service, served.model, change)
    try:
        reports = wait_until_ready(store, service, served.model.digest, config.wait.total_seconds())
    except ServiceError as err:
        back = restore(store, service, err.message).primary
        before = f"version {back.version} runs {UNDONE}" if back else f"nothing runs, {UNDONE}"
        raise type(err)(f"{err.message}; {before}", hint=err.hint) from err
    except BaseException:  # the task was stopped or timed out: no half deployment stays
        restore(store, service, "the wait for the servers was cut short")
        raise
    return service, reports[0].url


def _note_servers(wanted: Placement, url: str, context: RunContext) -> None:
    """Write down that model servers have the service, where it ran elsewhere or is to stop by itself."""
    store = context.store()
    latest = read_placement(store, wanted.workflow, wanted.environment)
    if (latest is None and not wanted.stops_at) or (latest is not None and latest.change == wanted.change):
        return
    revision = latest.revision if latest else 0
    placement = write_placement(store, replace(wanted, url=url, state="running", at=now(), revision=revision))
    leave(store, placement, context.connections)


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


def _outcome(service: ServiceRef, url: str, summary: str, placement: Placement | None) -> Outcome:
    details: dict[str, Any] = {"url": url}
    if placement is not None:
        details["placement"] = placement.to_dict()
    return Outcome(outputs={"service": service}, summary=summary, details=details)
