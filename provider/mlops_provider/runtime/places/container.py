"""Runtime `docker`: the phase runs in a container that can write nothing but the store and its own scratch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, ImageRegistryError, PlaceError, WorkFailedError
from mlops_provider.runtime.images import docker as engines
from mlops_provider.runtime.outside import Outside
from mlops_provider.runtime.places.ending import result
from mlops_provider.runtime.places.image import is_pinned, ready_image
from mlops_provider.runtime.places.process import Lines
from mlops_provider.runtime.targets.quantities import bytes_of, processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlops_provider.refs import ImageRef
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.places.work import Work

LABEL = "mlops.phase"
ENTRYPOINT = ["python3", "-m", "mlops_provider.runtime"]
_CONFLICT = 409
"""Another try of the phase has the name of the container."""
_MOST_PROCESSES = 4096
_SQLITE = "sqlite:///"
_EMPTY_BYTES = 1 << 20
_USER = "50000:50000"
"""Who runs the phase where no folder of this machine says another."""


@dataclass(slots=True)
class ContainerPlace:
    """`engine` is what a connection says of the engine and its registry, as JSON; '': DOCKER_HOST.

    `made` is the image that a phase made, in the place of a name. `hidden` is a folder of which nothing may be seen
    there: Airflow's home.
    """

    image: str
    engine: str = ""
    made: ImageRef | None = None
    cpu: str = ""
    memory: str = ""
    gpu: int = 0
    network: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    hidden: str = ""
    _container: Any = None

    def described(self) -> dict[str, Any]:
        """Say which image it is."""
        return {"runtime": "docker", "image": self.made.uri if self.made else self.image}

    def environment(self) -> Outside:
        """Say that the image counts, where its name is a digest: others may be another image tomorrow."""
        state = {"image": self.made.digest if self.made else self.image}
        pinned = self.made is not None or is_pinned(self.image)
        return Outside(state, "" if pinned else f"image '{self.image}' may change: name it by its digest, @sha256:…")

    def run(self, work: Work, say: Callable[[str], None]) -> dict[str, Any]:
        """Start a container, in the place of one that an earlier try left, and follow it to its end."""
        about = json.loads(self.engine or "{}")
        try:
            client = engines.engine(about.get("engine", ""), about.get("certificates"))
        except ImageRegistryError as err:
            raise PlaceError(err.message, hint="start it, or set DOCKER_HOST") from err
        import docker

        try:
            image = ready_image(client, self.image, self.made, work.context, about, say)
            return self._run(client, image, work, say)
        except docker.errors.APIError as err:
            if err.is_client_error() and err.status_code != _CONFLICT:
                raise WorkFailedError(f"the Docker engine refuses the container: {err.explanation or err}") from err
            raise PlaceError(f"the Docker engine failed: {err.explanation or err}") from err
        except (docker.errors.DockerException, OSError) as err:
            raise PlaceError(f"the Docker engine does not answer any more: {err}") from err
        finally:
            client.close()

    def kill(self) -> None:
        """End the container."""
        import docker

        if self._container is not None:
            with contextlib.suppress(docker.errors.DockerException, OSError):
                self._container.kill()

    def _run(self, client: Any, image: Any, work: Work, say: Callable[[str], None]) -> dict[str, Any]:
        context = work.recorded
        name = f"mlops-{hashlib.sha256(context.identity.encode()).hexdigest()[:20]}"
        _take_over(client, name, say)
        self._container = container = client.containers.create(
            image, [work.context.phase_type, "--attached"],
            entrypoint=ENTRYPOINT, name=name, stdin_open=True, labels=_labels(context), **self._limits(image, context),
        )  # fmt: skip
        try:
            code = _follow(container, work.to_json(), lines := Lines(say))
            container.reload()
            if code and container.attrs["State"]["OOMKilled"]:
                limit = f"it may use {self.memory}" if self.memory else "the machine had no more"
                raise WorkFailedError(
                    f"the container of the phase was killed for want of memory: {limit}",
                    hint="give it more by resources.memory, or less data",
                )
            return result(context, "the container of the phase", code, lines.last, list(lines.log))
        finally:
            with contextlib.suppress(Exception):  # what is left, the next try or `prune` removes
                container.remove(force=True, v=True)

    def _limits(self, image: Any, context: RunContext) -> dict[str, Any]:
        """Give the options of the container: what it sees, may use and may do."""
        import docker

        binds = dict(folders(context, self.hidden))
        threads = {"OMP_NUM_THREADS": str(max(1, int(processors(self.cpu))))} if self.cpu else {}
        limits: dict[str, Any] = {
            "user": _user(image, binds, context.tracking_uri),
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": _MOST_PROCESSES,
            "environment": {"HOME": "/tmp", "TMPDIR": "/tmp", **threads, **self.variables},  # noqa: S108 (its own)
            "mounts": [_mount(path, mode) for path, mode in {**binds, "/tmp": "own"}.items()],  # noqa: S108 (as above)
        }
        if self.cpu:
            limits["nano_cpus"] = int(processors(self.cpu) * 1e9)
        if self.memory:
            limits["mem_limit"] = limits["memswap_limit"] = bytes_of(self.memory)
        if self.gpu:
            limits["device_requests"] = [docker.types.DeviceRequest(count=self.gpu, capabilities=[["gpu"]])]
        if self.network:
            limits["network_mode"] = self.network
        return limits


def _mount(path: str, mode: str) -> Any:
    """Give a mount: a folder of this machine, an empty one in its place, or one that goes with the container."""
    from docker.types import Mount

    if mode == "empty":
        return Mount(path, None, type="tmpfs", tmpfs_size=_EMPTY_BYTES)
    return Mount(path, None, type="volume") if mode == "own" else Mount(path, path, type="bind", read_only=mode == "ro")


def folders(context: RunContext, hidden: str = "") -> Iterator[tuple[str, str]]:
    """Give the folders of this machine that a phase needs, in their order: to read (ro) or to write (rw).

    One that is hidden is empty there; where the data is that folder itself, it is not there at all.
    """
    found: dict[str, str] = {}
    if context.data_root and "://" not in context.data_root:
        root = Path(context.data_root).expanduser().absolute()
        if str(root) != hidden:
            found[str(root)] = "ro"
            if hidden and Path(hidden).is_relative_to(root):
                found[hidden] = "empty"
    if context.tracking_uri.startswith(_SQLITE):
        folder = Path(context.tracking_uri.removeprefix(_SQLITE)).absolute().parent
        if (folder / "airflow.cfg").exists() or (folder / "airflow.db").exists():
            raise ConfigError(
                f"the tracking database lies in Airflow's home, {folder}, which no container may see",
                hint="give [mlops] tracking_uri a server, or a database in a folder of its own",
            )
        found[str(folder)] = "rw"
    store = context.store()
    if store.local:
        Path(store.url).mkdir(parents=True, exist_ok=True)
        found[store.url] = "rw"
    yield from sorted(found.items())


def _user(image: Any, binds: Mapping[str, str], tracking_uri: str) -> str:
    """Give who runs the phase: this process's user, who owns what it writes; never root."""
    written = [Path(path) for path, mode in binds.items() if mode == "rw"]
    if not written:
        own = str(image.attrs["Config"].get("User") or "")
        return own if own.partition(":")[0] not in {"", "0", "root"} else _USER
    if os.geteuid():
        return f"{os.geteuid()}:{os.getegid()}"
    database = Path(tracking_uri.removeprefix(_SQLITE))
    if tracking_uri.startswith(_SQLITE) and database.exists():
        written.append(database)
    for path in written:
        if not path.stat().st_uid:
            raise ConfigError(
                f"{path} belongs to root, and a phase does not run in a container as root",
                hint="let the worker run as another user, or give it to one",
            )
    owner = written[0].stat()
    return f"{owner.st_uid}:{owner.st_gid}"


def _labels(context: RunContext) -> dict[str, str]:
    return {
        LABEL: context.phase,
        "mlops.workflow": context.workflow,
        "mlops.run": context.run_id,
        "mlops.attempt": str(context.attempt),
    }


def _take_over(client: Any, name: str, say: Callable[[str], None]) -> None:
    """Remove what an earlier try of the same phase left, and what others left a day ago."""
    import docker

    try:
        left = client.containers.get(name)
        say(f"an earlier try of this phase left the container {left.short_id}: it is ended")
        left.remove(force=True, v=True)
    except docker.errors.NotFound:
        pass
    with contextlib.suppress(docker.errors.APIError):  # another worker does the same
        client.containers.prune(filters={"label": LABEL, "until": "24h"})


def _follow(container: Any, text: str, lines: Lines) -> int:
    """Start a container, give it its input, which stays open as long as this process lives, and pass on its log."""
    from docker.utils.socket import frames_iter

    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    try:
        container.start()
        raw = getattr(stream, "_sock", stream)
        with contextlib.suppress(BrokenPipeError):  # it ended already, and says why
            raw.sendall(f"{text}\n".encode())
        for number, block in frames_iter(stream, tty=False):
            lines.take(number, block)
        lines.end()
    finally:
        stream.close()
    return int(container.wait()["StatusCode"])
