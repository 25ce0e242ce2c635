"""Violations of the spec: pydantic's errors as findings in our words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin

from mlops_dag_factory.errors import Finding, Location, suggestion
from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.spec import Workflow
from mlops_dag_factory.spec.base import FUNCTION_PATH, IDENTIFIER, IMPORT_PATH, WORKFLOW_ID, is_template, specs_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from mlops_dag_factory.spec import Spec

_TYPES = {
    "string_type": "text", "int_type": "a whole number", "int_parsing": "a whole number",
    "int_from_float": "a whole number", "int_parsing_size": "a smaller whole number", "float_type": "a number",
    "float_parsing": "a number", "finite_number": "a finite number", "bool_type": "true or false",
    "bool_parsing": "true or false", "list_type": "a list", "dict_type": "a map", "model_type": "a map",
    "model_attributes_type": "a map", "time_delta_type": "a duration such as 30m",
    "time_delta_parsing": "a duration such as 30m",
}  # fmt: skip
_MAPS = {"dict_type", "model_type", "model_attributes_type"}
_BOUNDS = {
    "greater_than": ("gt", "greater than"), "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"), "less_than_equal": ("le", "at most"),
}  # fmt: skip
_PATTERNS = {
    IDENTIFIER: "lower-case letters, digits and _, starting with a letter, at most 63",
    WORKFLOW_ID: "lower-case letters, digits, - and _, starting with a letter, at most 64",
    IMPORT_PATH: "a dotted name: 'package.module.Class'",
    FUNCTION_PATH: "a function: 'package.module:function'",
}
_REFERENCE_HINT = "a reference is 'phase' or 'phase.output'"
_RENDERED_LATE = "a template is rendered when the phase runs; this must be known before"
_CREDENTIALS = re.compile(r"://[^/\s@]+@")
MAX_SHOWN = 60


class Said(NamedTuple):
    """What a violation says."""

    message: str
    hint: str = ""


def violations(errors: Iterable[ErrorDetails], data: dict[str, Any]) -> list[Finding]:
    """Turn pydantic's errors on the data of a workflow into findings.

    The members of a union complain one by one: they become one finding, or none where one of them was followed
    deeper and complains there.
    """
    located = [(_located(error, data), error) for error in errors]
    groups: dict[Location, list[ErrorDetails]] = {}
    for loc, error in located:
        groups.setdefault(loc, []).append(error)
    findings: list[Finding] = []
    for loc, group in groups.items():
        deeper = any(other[: len(loc)] == loc != other for other in groups)
        words = [error for error in group if error["type"] == "literal_error" and isinstance(error["input"], dict)]
        if words and (deeper or len(words) < len(group)):  # it is a map, for a member that takes one
            group = [error for error in group if error not in words]  # noqa: PLW2901 (the narrower group)
        kinds = [error for error in group if error["type"] in _TYPES]
        word = next((error for error in group if error["type"] == "literal_error"), None)
        if word and not deeper and any(error["type"] in _MAPS for error in kinds):
            findings.append(Finding(loc=loc, code="choice", **_word_or_map(loc, word, data)._asdict()))
            continue
        if kinds and (len(kinds) < len(group) or deeper):
            group = [error for error in group if error["type"] not in _TYPES]  # noqa: PLW2901 (the narrower group)
            kinds = []
        if kinds:
            findings.append(_wrong_type(loc, kinds))
        findings.extend(_finding(loc, error, data) for error in group if error not in kinds)
    return findings


def shown(value: Any) -> str:
    """Give a value as it stands in a message: short, and without credentials."""
    if isinstance(value, dict | list):
        kind = "a map" if isinstance(value, dict) else "a list"
        return kind if value else f"an empty {kind[2:]}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    text = _CREDENTIALS.sub("://…@", str(value))
    text = f"{text[:MAX_SHOWN]}…" if len(text) > MAX_SHOWN else text
    return f"'{text}'" if isinstance(value, str) else text


def _located(error: ErrorDetails, data: dict[str, Any]) -> Location:
    """Give the error's location in the data: without tags of unions and names of validators."""
    loc = error["loc"]
    if loc[:1] == ("phases",) and len(loc) > 2:  # noqa: PLR2004 (phases, name, tag)
        loc = (*loc[:2], *loc[3:])
    clean: list[str | int] = []
    node: Any = data
    for part in loc:
        known = isinstance(node, dict) and part in node
        known = known or (isinstance(node, list) and isinstance(part, int) and part < len(node))
        if known:
            clean.append(part)
            node = node[part]
    return tuple(clean)


def _wrong_type(loc: Location, errors: list[ErrorDetails]) -> Finding:
    wanted = " or ".join(dict.fromkeys(_TYPES[error["type"]] for error in errors))
    value = errors[0]["input"]
    if is_template(value):
        return Finding(loc=loc, code="template", message="may not be a template", hint=_RENDERED_LATE)
    hint = ""
    if wanted == "text" and not isinstance(value, dict | list) and value is not None:
        hint = f'put it in quotes: "{shown(value)}"'
    return Finding(loc=loc, code="type", message=f"must be {wanted}, found {shown(value)}", hint=hint)


def _word_or_map(loc: Location, error: ErrorDetails, data: dict[str, Any]) -> Said:
    allowed, value = _allowed(error), error["input"]
    model = _model(loc, data)
    fields = f"a map may have: {', '.join(sorted(model.model_fields))}" if model else ""
    hint = suggestion(str(value), allowed).strip() or fields
    return Said(f"must be {', '.join(allowed)} or a map; found {shown(value)}", hint)


def _allowed(error: ErrorDetails) -> list[str]:
    return str(error.get("ctx", {})["expected"]).replace("'", "").replace(" or ", ", ").split(", ")


def _finding(loc: Location, error: ErrorDetails, data: dict[str, Any]) -> Finding:
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    last = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        return Finding(loc=loc, code="unknown-field", at="key", **_unknown_field(loc, data)._asdict())
    if kind == "missing":
        said = Said(f"'{last}' is missing", _description(loc, data, last))
        return Finding(loc=loc, code="missing", at="key", **said._asdict())
    if kind.startswith("union_tag"):
        return _phase_type(loc, value)
    if kind == "string_pattern_mismatch":
        if last == "[key]":
            said = Said(f"the name '{value}' is not allowed", f"allowed: {_PATTERNS[IDENTIFIER]}")
            return Finding(loc=loc, code="name", at="key", **said._asdict())
        said = _mismatch(str(context["pattern"]), value)
        return Finding(loc=loc, code="pattern", **said._asdict())
    return Finding(loc=loc, code=_code(kind), **_said(error)._asdict())


def _said(error: ErrorDetails) -> Said:
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return Said(f"must be {words} {context[name]:g}, found {shown(value)}")
    if kind == "literal_error":
        allowed = _allowed(error)
        return Said(
            f"must be one of {', '.join(allowed)}; found {shown(value)}", suggestion(str(value), allowed).strip()
        )
    if kind == "value_error":
        raised = context["error"]
        return Said(str(raised), getattr(raised, "hint", ""))
    if kind in {"too_short", "string_too_short"}:
        return Said("must not be empty")
    message = error["msg"]
    return Said(message[:1].lower() + message[1:])


def _code(kind: str) -> str:
    codes = {**dict.fromkeys(_BOUNDS, "bounds"), "literal_error": "choice", "value_error": "value"}
    return codes.get(kind, kind.replace("_", "-"))


def _unknown_field(loc: Location, data: dict[str, Any]) -> Said:
    model = _model(loc[:-1], data)
    if model is None:
        return Said("unknown field")
    field, allowed = str(loc[-1]), sorted(model.model_fields)
    for name, info in model.model_fields.items():
        if any(field in inner.model_fields for inner in specs_in(info.annotation)):
            return Said("unknown field", f"'{field}' belongs below '{name}'")
    return Said("unknown field", f"{suggestion(field, allowed)}allowed here: {', '.join(allowed)}")


def _phase_type(loc: Location, value: Any) -> Finding:
    known = ", ".join(phase_types())
    written = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return Finding(loc=loc, code="type", message=f"must be a map with 'type', found {shown(value)}")
    if written is None:
        return Finding(loc=loc, code="missing", at="key", message="'type' is missing", hint=f"phase types: {known}")
    hint = f"{suggestion(str(written), phase_types())}phase types: {known}"
    return Finding(loc=(*loc, "type"), code="phase-type", message=f"unknown phase type {shown(written)}", hint=hint)


def _mismatch(pattern: str, value: Any) -> Said:
    if is_template(value):
        return Said("may not be a template", _RENDERED_LATE)
    if pattern in _PATTERNS:
        return Said(f"{shown(value)} is not allowed", f"write {_PATTERNS[pattern]}")
    if r"\." in pattern:
        return Said(f"{shown(value)} is not a reference", _REFERENCE_HINT)
    return Said(f"{shown(value)} is not allowed", f"it must match {pattern}")


def _description(loc: Location, data: dict[str, Any], field: str) -> str:
    model = _model(loc, data)
    info = model.model_fields.get(field) if model else None
    return f"{field}: {info.description}" if info and info.description else ""


def _model(loc: Location, data: dict[str, Any]) -> type[Spec] | None:
    """Give the spec model of the map at a location."""
    model: type[Spec] | None = Workflow
    rest = iter(loc)
    for part in rest:
        if model is None:
            return None
        if part == "phases" and model is Workflow:
            phase = data["phases"].get(next(rest, ""))
            entry = phase_types().get(str(phase.get("type"))) if isinstance(phase, dict) else None
            model = entry.spec_class() if entry else None
            continue
        info = model.model_fields.get(str(part))
        if info is None:
            return None
        model = next(specs_in(info.annotation), None)
        if any(get_origin(member) in {dict, list} for member in (info.annotation, *get_args(info.annotation))):
            next(rest, None)
    return model
