"""What a model needs to be loaded again: the exact versions of the libraries that it was really made with."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import threading
import zipfile
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import TYPE_CHECKING, Any

from mlops_provider.store.model_file import MODEL_FILE, OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_ALWAYS = ("numpy", "pandas")
_WITH = {"sklearn": ("scipy",)}
"""Library -> others whose version decides about its results."""
_MOST_MODULES = 100
_PARSING = threading.Lock()  # CPython 3.11 fails with a SystemError when threads parse at once


def requirements(folder: Path, function: Any = None) -> list[str]:
    """Give pip requirements of a model's files, and of the function that made it; sorted, one for each distribution."""
    modules = {*_ALWAYS, *(_modules_of(folder / MODEL_FILE) if (folder / MODEL_FILE).exists() else ())}
    if function is not None:
        modules |= imports_of(function)
    if (folder / MODEL_FILE).exists():
        modules.add("skops")
    for name in tuple(modules):
        modules.update(_WITH.get(name, ()))
    needs = {_distribution(need): need for need in pinned(modules)}
    said = folder / OWN_FOLDER / "requirements.txt"  # a model in MLflow's folder says itself what it needs
    if said.exists():
        lines = (line.strip() for line in said.read_text(encoding="utf-8").splitlines())
        needs |= {_distribution(line): line for line in lines if line and not line.startswith(("#", "-"))}
    return [needs[name] for name in sorted(needs)]


def _distribution(requirement: str) -> str:
    """Give the name of a requirement as PyPI compares it."""
    name = re.match(r"[A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-_.]+", "-", name[0] if name else requirement).lower()


def pinned(modules: Iterable[str]) -> list[str]:
    """Give the distributions of modules with their versions; what comes with Python or lies beside us is left out."""
    found = {}
    for module in modules:
        for name in _distributions().get(module, ()):
            try:
                found[name.lower()] = f"{name}=={version(name)}"
            except PackageNotFoundError:
                continue
    return [found[name] for name in sorted(found)]


def imports_of(function: Any) -> set[str]:
    """Give the top-level modules that the code of a function imports, through modules of its own too."""
    found: set[str] = set()
    home = inspect.getmodule(function)
    todo, seen = [home.__name__ if home else ""], set[str]()
    while todo and len(seen) < _MOST_MODULES:
        name = todo.pop()
        if name in seen or name not in sys.modules:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in _distributions() and name != (home.__name__ if home else ""):
            continue
        for imported in _imported(name):
            found.add(imported.partition(".")[0])
            todo.append(imported)
    return found


def _imported(name: str) -> set[str]:
    """Give the full names of what a module's source imports, also inside functions."""
    try:
        source = inspect.getsource(sys.modules[name])
        with _PARSING:
            return set(_imports_in(source, sys.modules[name].__package__ or ""))
    except (OSError, TypeError, SyntaxError):
        return set()


@lru_cache(maxsize=_MOST_MODULES)
def _imports_in(source: str, package: str) -> frozenset[str]:
    """Give the imports of a source, parsed once: a search asks at every fit."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _modules_of(path: Path) -> set[str]:
    """Give the top-level modules of the types in a skops file."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(module := node.get("__module__"), str):
                found.add(module.partition(".")[0])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    with zipfile.ZipFile(path) as file:
        walk(json.loads(file.read("schema.json")))
    return found


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()
