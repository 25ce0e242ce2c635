"""The image that phases run in: from the engine, its registry, or the phase of the same run that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import PlaceError, WorkFailedError
from mlops_provider.runtime.images import docker as engines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlops_provider.refs import ImageRef
    from mlops_provider.runtime.contract import RunContext

_NEVER = ("denied", "unauthorized", "manifest unknown", "not found", "invalid reference", "no matching manifest")


def is_pinned(name: str) -> bool:
    """Say whether a name always means the same image."""
    return "@sha256:" in name or name.startswith("sha256:")


def ready_image(
    client: Any,
    name: str,
    made: ImageRef | None,
    context: RunContext,
    registry: Mapping[str, str],
    say: Callable[[str], None],
) -> Any:
    """Give an image of the engine, pulled where it lacks.

    WorkFailedError: there is none of this name, or it may not be pulled. PlaceError: its registry does not answer.
    """
    import docker

    if made is not None:
        return _made(client, made, context, registry, say)
    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return _pull(client, name, registry, say)


def _pull(client: Any, name: str, registry: Mapping[str, str], say: Callable[[str], None]) -> Any:
    import docker

    say(f"pulling {name}")
    user = {key: registry[key] for key in ("username", "password") if key in registry}
    try:
        return client.images.pull(name, auth_config=user or None)
    except docker.errors.APIError as err:
        said = str(err.explanation or err)
        message = f"image '{name}' cannot be pulled: {said}"
        if any(word in said.lower() for word in _NEVER):
            raise WorkFailedError(
                message, hint="look at its name, and at 'conn_id' where the registry wants a user"
            ) from err
        raise PlaceError(message) from err


def _made(
    client: Any, made: ImageRef, context: RunContext, registry: Mapping[str, str], say: Callable[[str], None]
) -> Any:
    """Give the image that a phase made: it is in this engine, in a registry, or in the store."""
    import docker

    if "@sha256:" in made.uri:
        return ready_image(client, made.uri, None, context, registry, say)
    store = context.store()
    try:
        if not made.uri.startswith(f"{store.url}/"):
            return client.images.get(f"sha256:{made.digest}")
        from mlops_provider.runtime.images.buildah import read_layout

        layout = read_layout(store.open(made).folder)
        try:
            return client.images.get(layout.config_digest)
        except docker.errors.ImageNotFound:
            say(f"loading the image {made.uri} into the engine")
            with store.scratch() as scratch:
                return client.images.get(engines.load(client, layout, f"mlops-phase:{made.digest[:12]}", scratch))
    except docker.errors.ImageNotFound as err:
        hint = "it was built in another engine: give the phase 'push: true'"
        raise WorkFailedError(f"this Docker engine does not have {made.uri}", hint=hint) from err
