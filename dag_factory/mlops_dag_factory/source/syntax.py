"""libyaml's complaints in our words: what is wrong with the YAML and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlops_dag_factory.source.builder import MAX_DEPTH, TOO_DEEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yaml.error import MarkedYAMLError

    from mlops_dag_factory.source.builder import Mark

_INDENTATION = "check the indentation of this line and the one before; one level is two spaces"
_QUOTES = "text that starts with one of @ ` % * & ! | > or holds ': ' or ' #' needs quotes"


class Complaint(NamedTuple):
    """What is wrong, where (counted from 0), and what to do."""

    line: int
    column: int
    message: str
    hint: str
    code: str = "yaml"


def explain(error: MarkedYAMLError, lines: Sequence[str]) -> Complaint:
    """Turn an error of the YAML parser into a complaint."""
    mark = error.problem_mark or error.context_mark
    fault = Fault(
        problem=error.problem or "",
        context=error.context or "",
        at=_position(mark),
        start=_position(error.context_mark or mark),
        lines=lines,
    )
    complaints = (rule(fault) for rule in (_nesting, _tab, _forbidden_start, _quote, _colon, _flow, _block))
    first = next((complaint for complaint in complaints if complaint), None)
    return first or Complaint(*fault.at, f"not valid YAML: {fault.problem or fault.context}", _INDENTATION)


class Fault(NamedTuple):
    """What libyaml says: the problem, what it was reading, where it stopped and where that began."""

    problem: str
    context: str
    at: tuple[int, int]
    start: tuple[int, int]
    lines: Sequence[str]

    def text(self, position: tuple[int, int]) -> str:
        """Give the rest of the line from a position."""
        line, column = position
        return self.lines[line][column:] if line < len(self.lines) else ""

    @property
    def before(self) -> str:
        """The line up to where libyaml stopped."""
        line, column = self.at
        return self.lines[line][:column].rstrip() if line < len(self.lines) else ""


def _nesting(fault: Fault) -> Complaint | None:
    """Point at the bracket that is too deep: libyaml looks a thousand levels ahead before it says anything."""
    if "nesting depth" not in fault.problem:
        return None
    line, column = fault.at
    brackets = [place for place, char in enumerate(fault.lines[line][:column]) if char in "[{"]
    deep = brackets[MAX_DEPTH] if len(brackets) > MAX_DEPTH else column
    return Complaint(line, deep, TOO_DEEP, "", "depth")


def _tab(fault: Fault) -> Complaint | None:
    if fault.text(fault.at)[:1] == "\t" or "tab character" in fault.problem:
        return Complaint(*fault.at, "a tab is used for indentation", "indent with spaces")
    return None


def _forbidden_start(fault: Fault) -> Complaint | None:
    if "YAML document" in fault.problem or "directive" in fault.context:
        return Complaint(*fault.at, "this directive is not known", "leave out lines that start with %")
    if "cannot start any token" in fault.problem or "alias" in fault.context or "anchor" in fault.context:
        rest = fault.text(fault.start).split(" #")[0].strip()
        hint = f'put it in quotes: "{rest}"' if rest and '"' not in rest else "put it in quotes"
        return Complaint(*fault.start, f"text may not start with '{rest[:1]}'", hint)
    return None


def _quote(fault: Fault) -> Complaint | None:
    if "quoted scalar" in fault.context:
        if "end of stream" in fault.problem or "document indicator" in fault.problem:
            hint = "close it; inside single quotes a quote is written twice"
            return Complaint(*fault.start, "this quote is not closed", hint)
        hint = "in double quotes write \\\\ for a backslash, or use single quotes"
        return Complaint(*fault.at, "this escape is not known", hint)
    if "block mapping" in fault.context and fault.before.endswith(("'", '"')):
        return Complaint(*fault.at, "text after a closing quote", "put the whole value in one pair of quotes")
    return None


def _colon(fault: Fault) -> Complaint | None:
    if "could not find expected ':'" in fault.problem:
        return Complaint(*fault.start, "a ':' is missing after this key", _INDENTATION)
    if "mapping values are not allowed" not in fault.problem:
        return None
    if ": " in fault.before:
        return Complaint(*fault.at, "a second ':' in one value", _QUOTES)
    return Complaint(*fault.at, "a key does not belong here", _INDENTATION)


def _flow(fault: Fault) -> Complaint | None:
    opening = fault.text(fault.start)[:1]
    if "flow" not in fault.context or opening not in {"[", "{"}:
        return None
    closing = {"[": "]", "{": "}"}[opening]
    hint = f"close it with '{closing}' and put ',' between items; text with brackets in it needs quotes"
    return Complaint(*fault.start, f"this '{opening}' is not closed", hint)


def _block(fault: Fault) -> Complaint | None:
    if "block mapping" in fault.context:
        return Complaint(*fault.at, "a key is expected here", _INDENTATION)
    if "block collection" in fault.context:
        return Complaint(*fault.at, "an item '- …' is expected here", _INDENTATION)
    if "node content" in fault.problem:
        return Complaint(*fault.at, "a value is expected here", "check brackets and commas before this")
    if "document start" in fault.problem:
        return Complaint(*fault.at, "text after the end of the document", "one file holds one workflow")
    return None


def _position(mark: Mark | None) -> tuple[int, int]:
    return (mark.line, mark.column) if mark else (0, 0)
