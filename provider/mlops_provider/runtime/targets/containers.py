"""Single containers of a Docker engine: what they may do, how they are, how they ended."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, TargetUnavailableError
from mlops_provider.runtime.images.recipe import PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.store.placements import Placement

ROLE = "mlops.role"
_PROCESSES = 512
_DEATHS = 2
_KILLED = 137
_ASK = (
    f"import sys,urllib.request;sys.exit(urllib.request.urlopen('http://127.0.0.1:{PORT}/ready',timeout=4).status!=200)"
)


def safe_options() -> dict[str, Any]:
    """Give what every container of ours has: no way to write but in memory, no privileges, an end to its processes."""
    return {
        "user": "50000:50000",
        "read_only": True,
        "tmpfs": {"/tmp": "size=64m,mode=1777"},  # noqa: S108 (a folder of its own, in memory)
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": _PROCESSES,
        "restart_policy": {"Name": "unless-stopped"},
        "init": False,
    }


def is_answering(container: Any) -> bool:
    """Say whether a container has something to end gracefully."""
    return container.labels.get(ROLE) == "front" or is_ready(container)


def is_ready(container: Any) -> bool:
    """Ask a container, from inside, whether it is ready."""
    import docker

    if container.status != "running":
        return False
    try:
        return int(container.exec_run(["python3", "-c", _ASK]).exit_code) == 0
    except docker.errors.APIError:  # it ended meanwhile
        return False


def trouble_of(container: Any) -> str:
    """Say why a container will not become ready, '' where it may."""
    deaths = container.attrs.get("RestartCount", 0)
    if container.status in {"exited", "dead"} or deaths >= _DEATHS:
        return f"container {container.name} {state_of(container)}"
    return ""


def state_of(container: Any) -> str:
    """Say in words how a container is or how it ended."""
    state, deaths = container.attrs["State"], container.attrs.get("RestartCount", 0)
    code = state.get("ExitCode")
    if state.get("OOMKilled") or code == _KILLED:
        said = "was killed (code 137), as it is where memory runs out"
    elif container.status == "running" and not deaths:
        said = "runs, but is not ready"
    else:
        said = f"ended with code {code}"
    return said + (f", {deaths} times again" if deaths else "") + (f": {state['Error']}" if state.get("Error") else "")


def last_lines(container: Any, lines: int) -> str:
    """Give the last lines that a container wrote."""
    text: str = container.logs(tail=lines).decode(errors="replace")
    return text.strip()


@contextmanager
def engine_errors(placement: Placement) -> Iterator[None]:
    """Say in words what the engine did not like."""
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as err:
        text = str(err.explanation or err)
        if "port is already allocated" in text or "address already in use" in text:
            raise ConfigError(
                f"port {placement.port} of the engine's machine is taken: {text}", hint="give another 'port'"
            ) from err
        kind = TargetUnavailableError if err.is_server_error() else ConfigError
        raise kind(f"the Docker engine does not do it for {placement.name}: {text}") from err
    except (docker.errors.DockerException, requests.RequestException) as err:
        raise TargetUnavailableError(f"the Docker engine does not answer: {err}") from err
