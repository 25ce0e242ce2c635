"""The JSON Schema of the workflow file, composed from the installed phase types: editors complete and check with it.

Pydantic writes the schema of the models; this module adds what the file may say beyond them: templates, one item for a
list, a value alone for a map, durations, includes that complete phases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from mlops_dag_factory.phases import phase_types
from mlops_dag_factory.spec import Workflow
from mlops_dag_factory.spec.base import ShorthandSpec, specs_in

if TYPE_CHECKING:
    from mlops_dag_factory.spec.base import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS = "#/$defs/"
_SHARED = {
    "template": {"type": "string", "pattern": r"\{\{|\{%", "description": "Jinja that Airflow renders at run time."},
    "duration": {"type": "string", "pattern": r"^\s*\d+(\.\d+)?(ms|s|m|h|d|w)\s*$|^P"},
}
"""Definitions that every model shares: no class has such a name."""
_TEMPLATE, _DURATION = ({"$ref": f"{_DEFINITIONS}{name}"} for name in _SHARED)


def workflow_schema() -> dict[str, Any]:
    """Give the schema; the same phase types give the same."""
    models = _reachable(Workflow, *(entry.spec_class() for entry in phase_types().values()))
    schemas, whole = models_json_schema([(model, "validation") for model in models])
    names = {model: schema["$ref"].removeprefix(_DEFINITIONS) for (model, _), schema in schemas.items()}
    definitions = whole["$defs"]
    for model in models:
        definitions[names[model]] = _mended(model, definitions[names[model]])
    definitions["Phase"], definitions["CompletePhase"] = _phases(definitions, names)
    definitions |= _SHARED
    root = definitions["Workflow"]
    root["properties"]["phases"] = {
        "type": "object",
        "description": "What is done, by name.",
        "minProperties": 1,
        "patternProperties": {"^[a-z][a-z0-9_]{0,62}$": {"$ref": "#/$defs/Phase"}},
        "additionalProperties": False,
    }
    root["properties"]["profiles"]["additionalProperties"] = {
        "type": "object",
        "properties": dict.fromkeys(sorted(set(root["properties"]) - {"workflow", "include", "profiles"}), True),
        "additionalProperties": False,
    }
    complete = {"patternProperties": {"": {"$ref": "#/$defs/CompletePhase"}}}
    root["if"] = {"not": {"required": ["include"]}}
    root["then"] = {"properties": {"phases": complete}, "required": ["phases"]}
    root["required"] = ["workflow"]
    return {
        "$schema": DIALECT,
        "title": "Workflow file",
        "$ref": "#/$defs/Workflow",
        "$defs": {name: _closed(definitions[name]) for name in sorted(definitions)},
    }


def _reachable(*models: type[Spec]) -> list[type[Spec]]:
    """Give the models and those of their fields, each once."""
    found: dict[type[Spec], None] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            waiting.extend(inner for info in model.model_fields.values() for inner in specs_in(info.annotation))
    return list(found)


def _mended(model: type[Spec], schema: dict[str, Any]) -> dict[str, Any]:
    """Add to the schema of a model what its validators take beside its fields' own types."""
    properties = schema.get("properties", {})
    for name, field in properties.items():
        described = {key: field.pop(key) for key in ("description", "default") if key in field}
        if text := model.model_fields[name].description:
            described["description"] = text
        field.pop("title", None)
        own = _durations(field)
        choices = list(own["anyOf"]) if own.keys() == {"anyOf"} else [own]
        if name in model.one_or_many:
            choices += _items(own)
        if model.renders(name):
            choices.append(_TEMPLATE)
        properties[name] = {**(choices[0] if len(choices) == 1 else {"anyOf": choices}), **described}
    if issubclass(model, ShorthandSpec):
        alone = properties[model.shorthand]
        description = schema.pop("description", "")
        return {"description": description, "anyOf": [schema, alone, {"type": "null"}]}
    return schema


def _items(field: dict[str, Any]) -> list[dict[str, Any]]:
    lists = [field, *field.get("anyOf", [])]
    return [each["items"] for each in lists if "items" in each]


def _durations(schema: Any) -> Any:
    """Take our form of durations for pydantic's."""
    if isinstance(schema, list):
        return [_durations(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "duration":
        return {**_DURATION, **{key: value for key, value in schema.items() if key == "description"}}
    return {key: _durations(value) for key, value in schema.items()}


def _phases(definitions: dict[str, Any], names: dict[Any, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the schema of a phase, chosen by its type, and that of one that no included file completes."""
    partial, complete = [], []
    for name, entry in sorted(phase_types().items()):
        own = names[entry.spec_class()]
        model = definitions[own]
        required = [field for field in model.pop("required", []) if field != "type"]
        model["properties"]["type"] = {"const": name}
        chosen = {"properties": {"type": {"const": name}}, "required": ["type"]}
        partial.append({"if": chosen, "then": {"$ref": f"{_DEFINITIONS}{own}"}})
        complete.append({"if": chosen, "then": {"required": required}})
    types = {"enum": sorted(phase_types()), "description": "What the phase does."}
    phase = {"type": "object", "properties": {"type": types}, "allOf": partial}
    return phase, {"type": "object", "required": ["type"], "allOf": complete}


def _closed(schema: Any) -> Any:
    """Close maps whose names have a pattern; leave out pydantic's titles."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _closed(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    if "patternProperties" in result and result.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result
