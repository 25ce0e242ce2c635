"""From libyaml's events to plain data, in one pass, with the marks of every key and value.

Built from events and not from composed nodes: the depth is bounded before anything recurses, an alias costs what
it expands to, and duplicate keys are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from mlops_dag_factory.source.scalars import ScalarError, scalar, shown_tag

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 60
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
MAX_EXPANDED = 100_000
STAND_IN = "{{ none }}"
"""Takes the place of what cannot be read: a template, which most fields take, so that nothing complains twice."""
_CONTAINER_TAGS = {None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


class Mark(Protocol):
    """A position in the text, counted from 0; yaml's own, in C or Python."""

    line: int
    column: int


class Place(NamedTuple):
    """Where a key and its value stand, counted from 0; for an item of a list both are the item's.

    `file` is set where it is another file than the document's; `layer` where the value was laid over the file's own.
    """

    key: Mark
    value: Mark
    file: str = ""
    layer: str = ""


Places = dict[int, dict[Any, Place]]
"""The id of a map or a list -> the places of its children."""


class Mistake(NamedTuple):
    """What is wrong with the structure, and where."""

    mark: Mark
    code: str
    message: str
    hint: str = ""


class StructureError(Exception):
    """The structure is so wrong that reading stops."""

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        super().__init__(mistake.message)


class Builder:
    """Builds the data of one document; `places` maps the id of every dict and list to its children's places.

    `file` is noted in each place, where the document becomes part of another.
    """

    def __init__(self, text: str, file: str = "") -> None:
        self._file = file
        self._next: Callable[[], Any] = CParser(text).get_event  # an event of the classes above
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._expanded = 0
        self.places: Places = {}
        self.mistakes: list[Mistake] = []
        self.empty = False

    def build(self) -> Any:
        """Give the data; raise StructureError or yaml.YAMLError where reading cannot go on."""
        self._next()  # the stream starts
        if type(self._next()) is StreamEndEvent:
            self.empty = True
            return None
        value = self._value(self._next(), 0)
        self._next()  # the document ends
        event = self._next()
        if type(event) is not StreamEndEvent:
            self._mistake(event, "documents", "a second document starts here", "one file holds one workflow")
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        before = self._nodes
        self._nodes += 1
        if kind is ScalarEvent:
            value = self._scalar(event)
        else:
            if event.tag not in _CONTAINER_TAGS:
                self._mistake(event, "tag", f"the tag '{shown_tag(event.tag)}' is not allowed", "leave it out")
            if depth >= MAX_DEPTH:
                raise StructureError(Mistake(event.start_mark, "depth", TOO_DEEP))
            value = self._map(depth + 1) if kind is MappingStartEvent else self._list(depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._nodes - before
        return value

    def _scalar(self, event: ScalarEvent) -> object:
        try:
            return scalar(event)
        except ScalarError as err:
            self._mistake(event, "scalar", str(err), "write plain text, numbers, true, false or null")
            return event.value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            hint = "an anchor '&name' stands before its alias '*name'; text that starts with * needs quotes"
            self._mistake(event, "alias", f"the alias '*{event.anchor}' has no anchor before it", hint)
            return STAND_IN
        value, size = self._anchors[event.anchor]
        self._nodes += size
        self._expanded += size
        if self._expanded > MAX_EXPANDED:
            message = f"the aliases up to here stand for more than {MAX_EXPANDED} values"
            raise StructureError(Mistake(event.start_mark, "alias", message, "write fewer aliases of aliases"))
        return value

    def _list(self, depth: int) -> list[Any]:
        result: list[Any] = []
        places: dict[Any, Place] = {}
        while type(event := self._next()) is not SequenceEndEvent:
            places[len(result)] = Place(event.start_mark, event.start_mark, self._file)
            result.append(self._value(event, depth))
        self.places[id(result)] = places
        return result

    def _map(self, depth: int) -> dict[str, Any] | str:
        result: dict[str, Any] = {}
        readable = True
        places: dict[Any, Place] = {}
        merged: list[tuple[Any, Any]] = []
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event, depth)
            value_event = self._next()
            value = self._value(value_event, depth)
            if key is None:
                readable = False
            elif key == "<<" and event.implicit[0]:
                merged.append((value_event, value))
            elif key in result:
                first = places[key].key.line + 1
                self._mistake(event, "duplicate-key", f"'{key}' is written twice", f"it stands on line {first} already")
            else:
                result[key] = value
                places[key] = Place(event.start_mark, value_event.start_mark, self._file)
        self.places[id(result)] = places
        for value_event, value in merged:
            self._merge(result, places, value_event, value)
        return result if readable else STAND_IN

    def _key(self, event: Any, depth: int) -> str | None:
        """Give a key as the text that was written: `on`, `1` and `null` stay what they look like."""
        if type(event) is ScalarEvent:
            if event.anchor is not None:
                self._anchors[event.anchor] = event.value, 1
            return str(event.value)
        value = self._value(event, depth)
        if isinstance(value, str):
            return value
        message, hint = "a key must be text, not a map or a list", ""
        if type(event) is MappingStartEvent and event.flow_style:
            hint = 'a template stands in quotes, as in "{{ params.name }}"'
        self._mistake(event, "key", message, hint)
        return None

    def _merge(self, result: dict[str, Any], places: dict[Any, Place], event: Any, value: Any) -> None:
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                self._mistake(event, "merge", "'<<' takes a map or a list of maps", "as in '<<: *defaults'")
                return
            for key, item in source.items():
                if key not in result:
                    result[key] = item
                    places[key] = self.places[id(source)][key]

    def _mistake(self, event: Any, code: str, message: str, hint: str = "") -> None:
        self.mistakes.append(Mistake(event.start_mark, code, message, hint))
