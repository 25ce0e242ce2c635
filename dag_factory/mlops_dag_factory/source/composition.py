"""Includes, profiles and sub-workflows: several maps become one, and every node keeps its place.

Merging, here and nowhere else: maps merge, anything else replaces what was there, and null removes it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_dag_factory.errors import Finding, suggestion
from mlops_dag_factory.source.parts import Parts

if TYPE_CHECKING:
    from mlops_dag_factory.errors import Problem
    from mlops_dag_factory.source.builder import Places
    from mlops_dag_factory.source.document import Document

SHARED = ("parameters", "defaults", "phases")
"""The keys that an included file may have, beside `include`."""
_NOT_IN_PROFILES = ("workflow", "profiles", "include")


def compose(document: Document, profile: str = "") -> Document:
    """Put the included files below the document's own keys, a profile over them, and sub-workflows into place."""
    if document.data is None:
        return document
    parts = Parts(Path(document.file).parent, document.places)
    composed = _compose(document, profile, parts, (Path(document.file).resolve(),))
    return replace(composed, problems=(*document.problems, *parts.problems), parts=tuple(parts.paths))


def merge(below: dict[str, Any], above: dict[str, Any], places: Places) -> dict[str, Any]:
    """Give a new map: maps merge, anything else replaces, null removes what is below."""
    result = dict(below)
    mine, theirs = dict(places.get(id(below), {})), places.get(id(above), {})
    for key, value in above.items():
        old = result.get(key)
        if value is None and key in below:
            del result[key]
            mine.pop(key, None)
            continue
        result[key] = merge(old, value, places) if isinstance(old, dict) and isinstance(value, dict) else value
        if key in theirs:
            mine[key] = theirs[key]
    places[id(result)] = mine
    return result


def _compose(document: Document, profile: str, parts: Parts, chain: tuple[Path, ...]) -> Document:
    document = _with_includes(document, parts, chain)
    profiles = (document.data or {}).get("profiles")
    if profile and isinstance(profiles, dict):
        document = _with_profile(document, profiles, profile, parts.problems)
    return _with_definitions(document, profile, parts, chain)


def _with_includes(document: Document, parts: Parts, chain: tuple[Path, ...]) -> Document:
    data = document.data or {}
    names = data.get("include")
    if not isinstance(names, str | list):
        return document  # there is none, or the model says what is wrong
    below: dict[str, Any] = {}
    for index, name in enumerate([names] if isinstance(names, str) else names):
        loc = ("include",) if isinstance(names, str) else ("include", index)
        if not isinstance(name, str):
            finding = Finding(loc=loc, code="include", message="must be the path of a file, as text")
            parts.problems.append(document.problem(finding))
        elif (part := parts.read(document, loc, name, chain)) and part.data is not None:
            parts.problems.extend(_check_shared(part))
            part = replace(part, data=_restrict(part.data, parts.places, {*SHARED, "include"}))
            part = _with_includes(part, parts, (*chain, Path(part.file).resolve()))
            below = merge(below, part.data or {}, parts.places)
    own = _restrict(data, parts.places, set(data) - {"include"})
    return replace(document, data=merge(below, own, parts.places) if below else own)


def _restrict(data: dict[str, Any], places: Places, keys: set[str]) -> dict[str, Any]:
    result = {key: value for key, value in data.items() if key in keys}
    places[id(result)] = places.get(id(data), {})
    return result


def _check_shared(part: Document) -> list[Problem]:
    hint = f"files that are included have {', '.join(SHARED)}"
    wrong = [key for key in part.data or {} if key not in {*SHARED, "include"}]
    message = "may not be in a file that is included"
    return [part.problem(Finding(loc=(key,), code="include", message=message, hint=hint, at="key")) for key in wrong]


def _with_profile(document: Document, profiles: dict[str, Any], name: str, problems: list[Problem]) -> Document:
    overlay = profiles.get(name)
    if name not in profiles:
        known = f"profiles: {', '.join(profiles) or 'none'}"
        problems.append(
            document.problem(
                Finding(
                    loc=("profiles",),
                    code="profile",
                    message=f"there is no profile '{name}': the file is read without one",
                    hint=f"{suggestion(name, profiles)}{known}",
                    severity="warning",
                    at="key",
                )
            )
        )
    if not isinstance(overlay, dict):
        return document  # the model says what is wrong
    for key in _NOT_IN_PROFILES:
        if key in overlay:
            hint = "a profile changes what a workflow does, not what it is"
            finding = Finding(loc=("profiles", name, key), code="profile", message="may not be in a profile", hint=hint, at="key")  # fmt: skip # noqa: E501
            problems.append(document.problem(finding))
    labelled = _labelled(overlay, document.places, f"profile {name}")
    return replace(document, data=merge(document.data or {}, labelled, document.places))


def _labelled(value: Any, places: Places, layer: str) -> Any:
    """Copy an overlay with its layer noted in each place."""
    if not isinstance(value, dict | list):
        return value
    copy: dict[str, Any] | list[Any]
    if isinstance(value, dict):
        copy = {key: _labelled(item, places, layer) for key, item in value.items()}
    else:
        copy = [_labelled(item, places, layer) for item in value]
    places[id(copy)] = {key: place._replace(layer=layer) for key, place in places.get(id(value), {}).items()}
    return copy


def _with_definitions(document: Document, profile: str, parts: Parts, chain: tuple[Path, ...]) -> Document:
    """Put the file of a sub-workflow, where it stands beside this one, into the phase that names it."""
    phases = (document.data or {}).get("phases")
    for name, phase in phases.items() if isinstance(phases, dict) else ():
        if not isinstance(phase, dict) or phase.get("type") != "workflow" or "definition" in phase:
            continue
        file = f"{phase.get('workflow')}.yaml"
        if phase.get("inline") is not True and not (Path(document.file).parent / file).is_file():
            parts.paths.append(Path(document.file).parent / file)  # it may come; until then it is elsewhere
            continue
        part = parts.read(document, ("phases", name, "workflow"), file, chain)
        if part is not None:
            part = _compose(part, profile, parts, (*chain, Path(part.file).resolve()))
            phase["definition"] = part.data
            places = parts.places[id(phase)]
            if "workflow" in places:
                places["definition"] = places["workflow"]
    return document
