"""The placement that a phase asks for, made of its keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.images.reference import ImageName
from mlops_provider.runtime.targets.naming import stable_port
from mlops_provider.store.placements import Autoscale, Placement

if TYPE_CHECKING:
    from mlops_dag_factory.spec.deploy import DeploySpec
    from mlops_dag_factory.spec.release import ReleaseSpec
    from mlops_dag_factory.spec.target import TargetSpec
    from mlops_provider.refs import ImageRef, ModelRef
    from mlops_provider.runtime.contract import RunContext

KUBERNETES_DEFAULT = "kubernetes_default"
CLUSTERS = ("kubernetes", "kserve")
_HTTP_PORT = 80


def wanted_placement(
    config: DeploySpec | ReleaseSpec, model: ModelRef, image: ImageRef | None, context: RunContext
) -> Placement:
    """Give what a phase asks for; ConfigError where the target lacks an image or a store that it can reach."""
    target = getattr(config, "target", "server")  # phases without the keys of a target run on model servers
    stop_after = getattr(config, "stop_after", None)
    stops_at = (datetime.now(UTC) + stop_after).isoformat(timespec="seconds") if stop_after else ""
    about: dict[str, Any] = {
        "workflow": context.workflow,
        "environment": config.environment,
        "target": target,
        "version": model.version,
        "model": model.digest,
        "change": context.identity,
        "attempt": context.attempt,
        "by": context.owner,
        "stops_at": stops_at,
    }
    if target == "server":
        return Placement(**about)
    return Placement(**about, **_place(config, context), image=_image(config, image, context))


def connection_of(config: Any) -> str:
    """Give the id of the connection that a phase's target needs; '' for the defaults of the worker."""
    default = KUBERNETES_DEFAULT if getattr(config, "target", "") in CLUSTERS else ""
    return str(getattr(config, "conn_id", None) or default)


def _place(config: TargetSpec, context: RunContext) -> dict[str, Any]:
    connection = connection_of(config)
    cluster = config.target in CLUSTERS
    address = json.loads(context.connections.get(connection) or "{}")
    service = f"{context.workflow}/{config.environment}"  # type: ignore[attr-defined]  # every phase with a target has one
    scale = config.autoscale
    return {
        "replicas": scale.minimum if scale else config.replicas,
        "autoscale": Autoscale(minimum=scale.minimum, maximum=scale.maximum, cpu=scale.cpu) if scale else None,
        "cpu": config.cpu,
        "memory": config.memory,
        "namespace": (config.namespace or address.get("namespace") or "default") if cluster else "",
        "connection": connection,
        "pull_secrets": tuple(config.pull_secrets),
        "secrets": tuple(config.secrets),
        "port": config.port or (_HTTP_PORT if cluster else stable_port(service)),
        "host": config.host,
        "url": config.url or "",
        "env": dict(sorted(config.env.items())),
        "store_url": _log_store(context) if config.log_predictions else "",
    }


def _image(config: TargetSpec, image: ImageRef | None, context: RunContext) -> str:
    if image is None:
        if not config.image:
            raise ConfigError(
                f"target {config.target} runs an image, and there is none",
                hint="let 'model' name a phase of type package, or give 'image'",
            )
        ImageName.parse(config.image)
        return config.image
    if config.image:
        raise ConfigError("there are two images: that of 'model' and 'image'", hint="leave 'image' out")
    if image.uri.startswith(context.store().url):
        if config.target != "docker":
            raise ConfigError(
                f"image {image.uri} is in the store, where no cluster pulls from",
                hint="package with push: true and a repository that the cluster reaches",
            )
        return f"{image.uri}@sha256:{image.digest}"
    if "@sha256:" in image.uri or config.target != "docker":
        return image.uri
    return f"sha256:{image.digest}"  # in this engine: its id means these bytes, whatever its name does


def _log_store(context: RunContext) -> str:
    if "://" not in context.store_url or context.store_url.startswith("file://"):
        raise ConfigError(
            f"the store {context.store_url} is a folder of the worker's machine: no container logs predictions there",
            hint="set [mlops] store to a URL as s3://bucket/mlops, or leave log_predictions out",
        )
    return context.store_url
