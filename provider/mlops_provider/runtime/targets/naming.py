"""Names and labels of what runs a service: the same for engines and clusters."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from mlops_provider.runtime.images.recipe import PORT, ROOT

if TYPE_CHECKING:
    from mlops_provider.store.placements import Placement

MANAGER = "airflow-provider-mlops"
"""Who manages the objects: field manager and label."""
DRAIN_SECONDS = 5
_LONGEST = 40
_DIGEST = 8
_PORTS = range(20_000, 30_000)


def object_name(workflow: str, environment: str) -> str:
    """Give a name that every engine and cluster takes: a-z, 0-9 and -, at most 40 characters.

    Where that is not the service's own name, a digest of it is part: two services never share one.
    """
    name = f"{workflow}-{environment}"
    plain = re.sub(r"[^a-z0-9-]+", "-", name).strip("-")
    if plain == name and len(name) <= _LONGEST and "-" not in workflow + environment:
        return name
    digest = hashlib.sha256(f"{workflow}/{environment}".encode()).hexdigest()[:_DIGEST]
    return f"{plain[: _LONGEST - _DIGEST - 1].rstrip('-')}-{digest}"


def label_value(text: str) -> str:
    """Give text as the value of a label: at most 63 characters of A-Z, a-z, 0-9, '-', '_' and '.'."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:63].strip("-_.")


def stable_port(service: str) -> int:
    """Give a service's port on an engine's machine, where nobody chose one: the same every time."""
    return _PORTS[int(hashlib.sha256(service.encode()).hexdigest(), 16) % len(_PORTS)]


def serve_arguments(placement: Placement) -> list[str]:
    """Give the arguments of an image that `package` made, so that it knows the name of its service."""
    return [placement.name, "--model-folder", f"{ROOT}/model", "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 (in its container)


def variables(placement: Placement) -> dict[str, str]:
    """Give the variables of a replica."""
    logged = {"MLOPS_SERVE_STORE_URL": placement.store_url} if placement.store_url else {}
    return {"MLOPS_SERVE_DRAIN": str(DRAIN_SECONDS), **logged, **placement.env}
