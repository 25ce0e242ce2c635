"""What a phase's outcome depends on beside its config and its inputs: files, code, the champion, versions of libraries.

The cache believes an earlier outcome only where all of that is the same; a phase that acts on the world, or looks at
something that changes by itself, is done again every time.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.images.recipe import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from mlops_provider.runtime.contract import RunContext

MOST_MODULES = 500


class Outside(NamedTuple):
    """What the outcome depends on, as JSON; or the reason why no earlier outcome can stand for it."""

    state: dict[str, Any]
    never: str = ""


def outside_of(config: BaseModel, context: RunContext) -> Outside:
    """Look at what a phase of this type depends on."""
    look = _LOOKS.get(context.phase_type)
    if look is None:
        return Outside({}, f"'{context.phase_type}' acts on more than its inputs, or looks at what changes by itself")
    try:
        return look(config, context)
    except MlopsError as err:
        return Outside({}, f"what it depends on cannot be looked at: {err.message}")


def _nothing(config: Any, context: RunContext) -> Outside:  # noqa: ARG001 (the signature of all)
    return Outside({"duckdb": version("duckdb")})


def _ingest(config: Any, context: RunContext) -> Outside:
    from mlops_provider.runtime.sources import PREDICTIONS, files_of

    if config.incremental is not None:
        return Outside({}, "it reads what is new")
    if config.sql is not None or PREDICTIONS in config.sources():
        return Outside({}, "what it asks changes by itself")
    return Outside({"files": files_of(config, context), "sklearn": version("scikit-learn")})


def _validate(config: Any, context: RunContext) -> Outside:
    if any(rule.freshness for rule in config.rules):
        return Outside({}, "how fresh data is changes by itself")
    return _nothing(config, context)


def _code(config: Any, context: RunContext) -> Outside:
    found = {"sklearn": version("scikit-learn"), **_nothing(config, context).state}
    return Outside(found | ({"code": code_digest(config.python)} if config.python else {}))


def _evaluate(config: Any, context: RunContext) -> Outside:
    state: dict[str, Any] = {"sklearn": version("scikit-learn"), "parameters": dict(context.parameters)}
    state["scipy"] = version("scipy")
    from mlops_provider.runtime.drifted_window import asked_by, rows_of

    own = [metric.python for metric in config.metrics if metric.python]
    if own:
        state["code"] = {name: code_digest(name) for name in own}
    if any(metric.sql for metric in config.metrics):
        state["duckdb"] = version("duckdb")
    if config.compare_to != "none" and context.tracking_uri:
        from mlops_provider.runtime import tracking

        champion = tracking.champion(context.store(), context.tracking_uri, config.name or context.workflow)
        state["champion"] = champion.digest if champion else None
    if config.drifted_window != "off" and (reason := asked_by(context)):
        state["drifted_window"] = rows_of(reason)
    return Outside(state)


def _explain(config: Any, context: RunContext) -> Outside:
    wanted = ["scikit-learn"] + ["shap"] * ("shap" in config.methods) + ["fairlearn"] * bool(config.sensitive)
    return Outside({"parameters": dict(context.parameters), **{name: _version(name) for name in wanted}})


def _predict(config: Any, context: RunContext) -> Outside:
    if config.destination is not None:
        return Outside({}, "it writes to a destination")
    state = {name: version(name) for name in ("duckdb", "pyarrow", "scikit-learn")}
    if config.champion is None:
        return Outside(state)
    from mlops_provider.runtime import tracking

    champion = tracking.champion(context.store(), context.tracking_uri, config.champion)
    return Outside({**state, "champion": champion.digest if champion else None})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def code_digest(function: str) -> str:
    """Give the digest of the code behind 'package.module:function': all modules of its package, or a single module.

    A package of more than 500 modules counts by its version, where it has one.
    """
    module = function.partition(":")[0]
    root = module.partition(".")[0]
    found = find_spec(root)
    if found is None or found.origin is None:
        return ""
    origin = Path(found.origin)
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    if len(files) > MOST_MODULES:
        try:
            return f"{root} {version(root)}"
        except PackageNotFoundError:
            files = files[:MOST_MODULES]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(origin.parent).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def code_of(config: BaseModel) -> dict[str, str]:
    """Give the digest of all code that a config names: functions, and classes that no installed package brought."""
    return {name: digest for name in sorted(set(_named(config.model_dump(mode="json")))) if (digest := _digest(name))}


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _CODE and isinstance(inner, str):
                yield inner
            else:
                yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def _digest(name: str) -> str:
    """Give the digest of the code behind a dotted name; none for what cannot be found: the phase will say so."""
    try:
        found = find_spec(name.partition(":")[0].partition(".")[0])
        if found is None or (":" not in name and _installed(Path(found.origin or ""))):
            return ""  # of an installed package, the model's manifest has the version
        return code_digest(name)
    except (ImportError, ValueError, OSError):
        return ""


def _installed(module: Path) -> bool:
    """Say whether a distribution brought a module: here, or in an image that package made."""
    return bool(_INSTALLED.intersection(module.parts)) or module.is_relative_to(f"{ROOT}/lib")


_CODE = frozenset({"python", "estimator"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})

_LOOKS: dict[str, Callable[[Any, RunContext], Outside]] = {
    "ingest": _ingest,
    "validate": _validate,
    "transform": _code,
    "split": _nothing,
    "train": _code,
    "evaluate": _evaluate,
    "explain": _explain,
    "predict": _predict,
}
