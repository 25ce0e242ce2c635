"""The asset URIs of the provider, in one place."""

from __future__ import annotations

from urllib.parse import quote

SCHEME = "x-mlops"


def data_uri(workflow: str, phase: str) -> str:
    """Give the URI of the asset whose events say that a phase has published new data."""
    return f"{SCHEME}://data/{workflow}/{phase}"


def model_uri(name: str) -> str:
    """Give the URI of the asset whose events say that a registered name has a new version or a new champion."""
    return f"{SCHEME}://model/{quote(name, safe='')}"


def stops_uri(workflow: str) -> str:
    """Give the URI of the asset whose events say that a service of a workflow will stop by itself."""
    return f"{SCHEME}://stops/{workflow}"


def retrain_uri(workflow: str) -> str:
    """Give the URI of the asset whose events make a workflow run again."""
    return f"{SCHEME}://retrain/{workflow}"
