"""Containers of a Docker engine: replicas that nobody reaches from outside, and a front that has the port.

A second placement starts its replicas beside the first ones; the front gives connections to whoever is ready. The old
ones are then told to end: they say that they are not ready, answer what they have, and go.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from mlops_provider.exceptions import ConfigError, ImageError, ImageRegistryError, TargetUnavailableError
from mlops_provider.refs import ImageRef
from mlops_provider.runtime.images import docker as images
from mlops_provider.runtime.images.buildah import read_layout
from mlops_provider.runtime.images.recipe import PORT
from mlops_provider.runtime.images.reference import DOCKER_HUB, ImageName
from mlops_provider.runtime.targets.containers import (
    ROLE,
    engine_errors,
    is_answering,
    is_ready,
    last_lines,
    safe_options,
    state_of,
    trouble_of,
)
from mlops_provider.runtime.targets.naming import object_name, serve_arguments, variables
from mlops_provider.runtime.targets.quantities import bytes_of, processors
from mlops_provider.runtime.targets.target import Instance, Progress

if TYPE_CHECKING:
    from mlops_provider.store.placements import Placement
    from mlops_provider.store.store import Store

_ALIAS = "replicas"
LOCAL, _ANY = "127.0.0.1", {"0.0.0.0", "::"}  # noqa: S104 (recognised)
_SERVICE, _IDENTITY, _VERSION, _MODEL = "mlops.service", "mlops.replica", "mlops.version", "mlops.model"
_STOP_SECONDS = 60
_SHOWN_LINES = 15


class DockerTarget:
    """The containers of one engine; `login` is for the one `registry`, as the engine takes it."""

    def __init__(self, store: Store, client: Any, login: dict[str, str] | None = None, registry: str = "") -> None:
        self.store = store
        self.client = client
        self.login = login
        self.registry = registry or DOCKER_HUB

    @classmethod
    def connect(cls, store: Store, address: str) -> Self:
        """Connect to the engine of an address: JSON with `engine`, `certificates`, `registry`, `username`, `password`.

        Empty: the engine of DOCKER_HOST.
        """
        about = json.loads(address) if address else {}
        login = {"username": about["username"], "password": about["password"]} if about.get("username") else None
        try:
            client = images.engine(about.get("engine", ""), about.get("certificates"))
        except ImageRegistryError as err:
            raise TargetUnavailableError(err.message, hint="start it, or set DOCKER_HOST or the connection") from err
        return cls(store, client, login, about.get("registry", "").rpartition("://")[2].rstrip("/"))

    def apply(self, placement: Placement) -> None:
        """Start the replicas that are missing, and the front."""
        with engine_errors(placement):
            image = self._image(placement)
            network = self._network(placement)
            for name in self._wanted(placement):
                self._start(name, placement, lambda name=name: self._create_replica(name, image, placement, network))
            self._start(
                _front(placement), placement, lambda: self._create_front(_front(placement), image, placement, network)
            )

    def look(self, placement: Placement) -> Progress:
        """Ask every replica, then the front, whether it is ready."""
        with engine_errors(placement):
            found = {container.name: container for container in self._containers(placement)}
            for name in (*self._wanted(placement), _front(placement)):
                if name not in found:
                    return Progress(status="failed", said=f"container {name} is gone", again=True)
                if trouble := trouble_of(found[name]):
                    return Progress(status="failed", said=trouble)
                if not is_ready(found[name]):
                    return Progress(status="waiting", said=f"container {name} is not ready yet")
        many = "1 container answers" if placement.replicas == 1 else f"{placement.replicas} containers answer"
        return Progress(status="ready", said=f"{many} at {self.url(placement)}")

    def url(self, placement: Placement) -> str:
        """Give the address of the front: on this machine, or on the engine's where it listens for others."""
        return f"http://{_shown_host(placement.host, self.client.api.base_url)}:{placement.port}"

    def settle(self, placement: Placement) -> None:
        """End the containers of other placements, the front's first."""
        kept = {*self._wanted(placement), _front(placement)}
        with engine_errors(placement):
            self._end([container for container in self._containers(placement) if container.name not in kept])

    def explain(self, placement: Placement) -> str:
        """Say of each replica that is not ready how it ended and what it wrote last."""
        said = []
        with engine_errors(placement):
            for container in self._containers(placement):
                if container.name not in {*self._wanted(placement), _front(placement)} or is_ready(container):
                    continue
                memory = self._ran_out_of_memory(container, placement)
                limit = f"was killed: out of memory at its limit of {placement.memory}, set 'memory' higher"
                said.append(f"{container.name} {limit if memory else state_of(container)}")
                said += [f"  {line}" for line in last_lines(container, _SHOWN_LINES).splitlines()]
        return "\n".join(said)

    def status(self, placement: Placement) -> list[Instance]:
        """Give the containers of the service."""
        with engine_errors(placement):
            return [
                Instance(
                    name=container.name,
                    version=container.labels.get(_VERSION, ""),
                    status="ready" if is_ready(container) else container.status,
                    message="" if container.status == "running" else state_of(container),
                )
                for container in self._containers(placement)
            ]

    def stop(self, placement: Placement) -> None:
        """End the front, the replicas, and remove their network."""
        import docker

        with engine_errors(placement):
            self._end(self._containers(placement))
            with suppress(docker.errors.NotFound):
                self.client.networks.get(_base(placement)).remove()

    def logs(self, placement: Placement, lines: int) -> str:
        """Give the last lines of every replica."""
        with engine_errors(placement):
            replicas = [found for found in self._containers(placement) if found.labels.get(ROLE) == "replica"]
            return "\n".join(f"== {container.name}\n{last_lines(container, lines)}" for container in replicas)

    def _containers(self, placement: Placement) -> list[Any]:
        """Give the containers of the service, the fronts first."""
        found = self.client.containers.list(
            all=True, filters={"label": f"{_SERVICE}={placement.name}"}, ignore_removed=True
        )
        return sorted(found, key=lambda container: (container.labels.get(ROLE) != "front", container.name))

    def _wanted(self, placement: Placement) -> list[str]:
        return [f"{_base(placement)}-{placement.identity}-{number}" for number in range(placement.replicas)]

    def _network(self, placement: Placement) -> str:
        import docker

        name = _base(placement)
        if not self.client.networks.list(names=[f"^{name}$"]):
            with suppress(docker.errors.APIError):  # made at this moment by another
                self.client.networks.create(name, check_duplicate=True, labels={_SERVICE: placement.name})
        return name

    def _image(self, placement: Placement) -> Any:
        """Give the engine's image: loaded from the store or pulled where it is not there."""
        import docker

        name, _, digest = placement.image.partition("@sha256:")
        if name.startswith(self.store.url):
            layout = read_layout(self.store.open(ImageRef(uri=name, digest=digest)).folder)
            with suppress(docker.errors.ImageNotFound):
                return self.client.images.get(layout.config_digest)
            with self.store.scratch() as scratch:
                tag = f"{object_name(placement.workflow, 'model')}:{placement.version}"
                return self.client.images.get(images.load(self.client, layout, tag, scratch))
        try:
            image = self.client.images.get(placement.image)
        except docker.errors.ImageNotFound:
            image = self._pull(placement.image)
        inside = image.labels.get(_MODEL, "")
        if inside and inside != placement.model:
            raise ConfigError(
                f"image {placement.image} holds the model {inside[:12]}, to be deployed is {placement.model[:12]}",
                hint="package this version, or name the image that was made of it",
            )
        return image

    def _pull(self, name: str) -> Any:
        import docker

        if name.startswith("sha256:"):
            raise ImageError(f"image {name[:19]} is not in this engine", hint="package with push: true, or here")
        try:
            ours = ImageName.parse(name).registry == self.registry  # a password goes to its own registry only
            return self.client.images.pull(name, auth_config=self.login if ours else None)
        except docker.errors.DockerException as err:
            text = str(getattr(err, "explanation", None) or err)
            if any(word in text for word in ("not found", "unknown", "denied", "unauthorized", "does not exist")):
                raise ImageError(
                    f"image {name} cannot be pulled: {text}", hint="look at its name and at the connection's password"
                ) from err
            raise TargetUnavailableError(f"image {name} cannot be pulled now: {text}") from err

    def _start(self, name: str, placement: Placement, create: Any) -> None:
        """Make a container that is not there, start one that does not run."""
        import docker

        try:
            container = self.client.containers.get(name)
        except docker.errors.NotFound:
            container = create()
        if container.labels.get(_SERVICE) != placement.name:
            raise ConfigError(f"a container {name} exists that is not ours", hint="remove or rename it")
        if container.status != "running":
            container.start()

    def _create_replica(self, name: str, image: Any, placement: Placement, network: str) -> Any:
        return self.client.containers.create(
            image.id,
            serve_arguments(placement) if image.labels.get(_MODEL) else None,
            name=name,
            environment=variables(placement),
            labels={**_labels(placement, "replica"), _IDENTITY: placement.identity},
            mem_limit=bytes_of(placement.memory),
            nano_cpus=int(processors(placement.cpu) * 1e9),
            network=network,
            networking_config={network: self.client.api.create_endpoint_config(aliases=[_ALIAS])},
            **safe_options(),
        )

    def _create_front(self, name: str, image: Any, placement: Placement, network: str) -> Any:
        return self.client.containers.create(
            image.id,
            ["-m", "mlops_provider.serving.front", _ALIAS, str(PORT)],
            entrypoint="python3",
            name=name,
            labels=_labels(placement, "front"),
            ports={f"{PORT}/tcp": (placement.host, placement.port)},
            healthcheck={"test": ["NONE"]},
            mem_limit="256m",
            network=network,
            **safe_options(),
        )

    def _ran_out_of_memory(self, container: Any, placement: Placement) -> bool:
        state = container.attrs["State"]
        if state.get("OOMKilled"):
            return True
        since = int(datetime.fromisoformat(placement.at).timestamp()) - 1
        filters = {"container": container.id, "event": "oom"}
        until = int(datetime.now().astimezone().timestamp()) + 1
        return any(True for _ in self.client.events(since=since, until=until, filters=filters, decode=True))

    def _end(self, containers: list[Any]) -> None:
        import docker

        for container in containers:
            with suppress(docker.errors.NotFound):
                if is_answering(container):
                    container.stop(timeout=_STOP_SECONDS)
                container.remove(force=True)  # one that never answered has nothing to end gracefully


def _base(placement: Placement) -> str:
    return f"mlops-{object_name(placement.workflow, placement.environment)}"


def _front(placement: Placement) -> str:
    return f"{_base(placement)}-front-{placement.port}"


def _shown_host(host: str, engine: str) -> str:
    if host not in _ANY:
        return host
    return urlsplit(engine).hostname or LOCAL if engine.startswith(("http://", "https://")) else LOCAL


def _labels(placement: Placement, role: str) -> dict[str, str]:
    version = {_VERSION: placement.version} if role == "replica" else {}
    return {_SERVICE: placement.name, ROLE: role, **version}
