"""Where every value of a workflow comes from, and the Python that makes the same workflow."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.base import Spec, format_duration
from mlops_dag_factory.spec.phase import PhaseSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.source import Document
    from mlops_dag_factory.spec import Workflow


class Value(NamedTuple):
    """A value of a workflow: its path, itself, and its origin as file:line with the layer, or 'default'."""

    path: str
    value: Any
    origin: str


def values(workflow: Workflow, document: Document) -> Iterator[Value]:
    """Give every value that a run may look at, in the order of the models."""
    waiting: list[tuple[Location, Any]] = [((), workflow.model_dump(mode="json"))]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, dict) and value:
            parts: list[tuple[Location, Any]] = [((*loc, key), item) for key, item in value.items()]
            waiting.extend(reversed(parts))
        elif loc != ("include",) and loc[:1] != ("profiles",):
            yield Value(Finding(loc=loc, code="", message="").path, value, _origin(document, loc))


def _origin(document: Document, loc: Location) -> str:
    place, known, node = document.find(loc)
    if place is None or (known < len(loc) and isinstance(node, dict | list)):
        return "default"
    layer = f" ({place.layer})" if place.layer else ""
    return f"{place.file or document.file}:{place.value.line + 1}{layer}"


def to_python(workflow: Workflow) -> str:
    """Give Python source that makes an equal workflow with the models."""
    names: set[str] = set()
    body = _source(workflow, names, 0)
    imports = "".join(f"    {name},\n" for name in sorted(names))
    return f"from mlops_dag_factory.spec import (\n{imports})\n\nworkflow = {body}\n"


def _source(value: Any, names: set[str], depth: int) -> str:
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(value, Spec) and _is_public(value):
        names.add(type(value).__name__)
        fields = [(name, getattr(value, name)) for name in type(value).model_fields if name in value.model_fields_set]
        known = "type" if isinstance(value, PhaseSpec) else ""  # the class says it
        lines = [f"{inner}{name}={_source(item, names, depth + 1)},\n" for name, item in fields if name != known]
        return f"{type(value).__name__}(\n{''.join(lines)}{outer})" if lines else f"{type(value).__name__}()"
    if isinstance(value, Spec):
        return repr(value.model_dump(mode="json", exclude_unset=True))
    if isinstance(value, dict) and any(isinstance(item, Spec) for item in value.values()):
        lines = [f"{inner}{key!r}: {_source(item, names, depth + 1)},\n" for key, item in value.items()]
        return f"{{\n{''.join(lines)}{outer}}}"
    if isinstance(value, list) and any(isinstance(item, Spec) for item in value):
        return f"[{', '.join(_source(item, names, depth) for item in value)}]"
    if isinstance(value, timedelta):
        return repr(format_duration(value))
    return repr(value)


def _is_public(value: Spec) -> bool:
    import mlops_dag_factory.spec as public

    return getattr(public, type(value).__name__, None) is type(value)
