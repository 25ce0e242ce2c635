"""The reference of the language as Markdown, from the models: every key with its type, default and meaning."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.spec import PhaseOptions, PhaseSpec, Workflow
from mlops_dag_factory.spec.base import Spec, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_WORDS = {
    "str": "text",
    "bool": "true/false",
    "int": "integer",
    "float": "number",
    "timedelta": "duration",
    "NoneType": "null",
}

_OF_PHASES = ("title", "description", "when", "foreach", "group")
_LINKS = {"PhaseOptions": "[options](#options-of-every-phase)", "Workflow": "[workflow](#top-level)"}


def reference() -> str:
    """Give the page; the same phase types give the same."""
    parts = [
        "# Reference of the workflow file",
        "Written by `mlops schema --markdown` from the models.",
        "## Top level",
    ]
    parts += [_doc(Workflow), _table(Workflow)]
    parts += ["## Options of every phase", _doc(PhaseOptions), _table(PhaseOptions)]
    parts += ["A phase itself has these too:", _table(PhaseSpec, names=_OF_PHASES)]
    known: list[type[Spec]] = [Workflow, PhaseOptions]
    parts.append("## Phase types")
    for name, entry in phase_types().items():
        phase = entry.spec_class()
        given = ", ".join(f"`{output}` ({kind})" for output, kind in phase.outputs.items()) or "nothing to refer to"
        parts += [f"### {name}", _doc(phase), f"Gives: {given}.", _table(phase)]
        known.append(phase)
    parts.append("## Maps within")
    for model in _within(known):
        parts += [f"### {model.__name__}", _doc(model), _table(model)]
    return "\n\n".join(parts) + "\n"


def _within(known: list[type[Spec]]) -> Iterator[type[Spec]]:
    seen = set(known)
    waiting = [inner for model in known for inner in _inner(model)]
    while waiting:
        model = waiting.pop(0)
        if model not in seen:
            seen.add(model)
            yield model
            waiting.extend(_inner(model))


def _inner(model: type[Spec]) -> list[type[Spec]]:
    found: list[type[Spec]] = []
    waiting: list[Any] = [info.annotation for info in model.model_fields.values()]
    while waiting:
        annotation = waiting.pop(0)
        if isinstance(annotation, type) and issubclass(annotation, Spec):
            found.append(annotation)
        waiting.extend(get_args(annotation))
    return [
        inner
        for inner in found
        if inner.__name__ not in {"Workflow", "PhaseOptions"} and not issubclass(inner, PhaseSpec)
    ]


def _doc(model: type[Spec]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(model: type[Spec], *, names: tuple[str, ...] = ()) -> str:
    """Give the keys of a model; of a phase type those that are its own, of `names` only those."""
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        shared = issubclass(model, PhaseSpec) and name in {*PhaseOptions.model_fields, *_OF_PHASES}
        if (
            (name in names)
            if names
            else (
                not (name == "type" and issubclass(model, PhaseSpec))
                and not (shared and name not in model.__annotations__)
            )
        ):
            value = _type(model, name, info)
            rows.append(f"| `{name}` | {value} | {_default(info)} | {_cell(info.description or '')} |")
    return "\n".join(rows) if len(rows) > 2 else ""  # noqa: PLR2004 (the head)


def _type(model: type[Spec], name: str, info: FieldInfo) -> str:
    if issubclass(model, PhaseSpec) and name in model.input_fields():
        return "references" if "list" in str(info.annotation) else "reference"
    return _cell(_words(info.annotation))


def _words(annotation: Any) -> str:
    """Say in words what a value may be."""
    name = getattr(annotation, "__name__", "")
    arguments = get_args(annotation)
    if str(annotation).startswith(("typing.Literal", "Literal")):
        return ", ".join(f"`{value}`" for value in arguments)
    if name in {"list", "dict"} and arguments:
        inner = _words(arguments[-1])
        return f"list of {inner}" if name == "list" else f"map of {inner}" if inner != "anything" else "map"
    if str(annotation).startswith("typing.Annotated"):
        return _words(arguments[0])
    if arguments:
        return " or ".join(dict.fromkeys(_words(argument) for argument in arguments if argument is not type(None)))
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return _LINKS.get(name) or (
            "[phase](#phase-types)" if issubclass(annotation, PhaseSpec) else f"[{name}](#{name.lower()})"
        )
    return _WORDS.get(name, "anything" if name in {"Any", ""} else name)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, Spec) or value in (None, "", [], {}):
        return ""
    return f"`{format_duration(value) if isinstance(value, timedelta) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
