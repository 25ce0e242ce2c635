"""Import what a workflow names, within the prefixes that the deployment allows."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ImportNotAllowedError, ImportNotFoundError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable


def import_allowed(name: str, allowed: Iterable[str]) -> Any:
    """Import 'package.module.Class' or 'module:function'.

    A prefix ends with '.' (everything below a package) or names one module or class exactly.
    """
    allowed = tuple(allowed)
    dotted = name.replace(":", ".")
    if not any(dotted.startswith(prefix) if prefix.endswith(".") else _covers(prefix, dotted) for prefix in allowed):
        raise ImportNotAllowedError(name, allowed)
    module, _, attribute = dotted.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, ValueError) as err:
        raise ImportNotFoundError(name, str(err)) from err
    except AttributeError as err:
        raise ImportNotFoundError(name, f"module '{module}' has no '{attribute}'") from err


def import_extra(module: str, extra: str) -> Any:
    """Import a module of a library that only one of our extras installs; MissingExtraError says how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as err:
        raise MissingExtraError(f"'{module.partition('.')[0]}'", extra) from err


def _covers(prefix: str, dotted: str) -> bool:
    return dotted == prefix or dotted.startswith(f"{prefix}.")
