"""The addresses of where services run, by connection id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def addresses(places: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give the addresses of places, each a target and the connection that it needs; '' needs none."""
    return {conn_id: _address(target, conn_id) for target, conn_id in places if conn_id and target != "server"}


def _address(target: str, conn_id: str) -> str:
    if target == "docker":
        from mlops_provider.hooks.docker import DockerEngineHook

        return DockerEngineHook(conn_id).address()
    from mlops_provider.hooks.kubernetes import ClusterHook

    return ClusterHook(conn_id).address()
