"""What all spec models share: closed, frozen, described; the types of their fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = re.compile(r"\{\{|\{%")
IDENTIFIER = r"^[a-z][a-z0-9_]{0,62}$"
WORKFLOW_ID = r"^[a-z][a-z0-9_-]{0,63}$"
REFERENCE = r"^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]*){0,2}(\[\*\])?$"
IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
FUNCTION_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True, slots=True)
class Input:
    """Marks a field that refers to another phase's output; `kinds` are the kinds of reference it takes."""

    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """What `phase`, `phase.output` or `phase.output[*]` names; `[*]` collects the items of a phase with `foreach`."""

    phase: str
    output: str = ""
    collects: bool = False

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> Reference:
        """Take a reference apart."""
        phase, _, output = text.removesuffix("[*]").partition(".")
        return cls(phase, output, text.endswith("[*]"))


class SpecError(ValueError):
    """A value that a spec refuses, with what to write instead."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


def exactly_one(**fields: object) -> None:
    """Refuse when not exactly one of some fields has a value."""
    given = [f"'{name}'" for name, value in fields.items() if value is not None]
    if len(given) != 1:
        names = given or [f"'{name}'" for name in fields]
        listed = f"{', '.join(names[:-1])} {'and' if given else 'or'} {names[-1]}"
        message = f"has {'both ' if len(given) == 2 else ''}{listed}" if given else f"needs {listed}"  # noqa: PLR2004
        raise SpecError(message, hint="give one of the two" if len(fields) == 2 else "give one of them")  # noqa: PLR2004


def is_template(value: object) -> bool:
    """Say whether a value is Jinja that Airflow renders at run time."""
    return isinstance(value, str) and "{" in value and TEMPLATE.search(value) is not None


def parse_duration(value: object) -> object:
    """Turn '90s', '30m', '24h', '7d' into a timedelta; leave ISO 8601 and timedeltas to pydantic."""
    if isinstance(value, int | float):
        lacks = "" if isinstance(value, bool) else f": {value} has no unit"
        raise SpecError(f"is not a duration{lacks}", hint=_DURATION_HINT)
    if isinstance(value, str) and not value.startswith("P"):
        match = _DURATION.match(value.strip())
        if match is None:
            raise SpecError("is not a duration", hint=_DURATION_HINT)
        try:
            return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
        except OverflowError:
            raise SpecError("is longer than any calendar", hint=_DURATION_HINT) from None
    return value


_DURATION_HINT = "write a number and a unit: 90s, 30m, 24h, 7d, 2w"


def format_duration(value: timedelta | str) -> str:
    """Turn a timedelta into the shortest form that `parse_duration` reads."""
    if isinstance(value, str):
        return value
    seconds = value.total_seconds()
    for unit in ("w", "d", "h", "m", "s"):
        amount = seconds / _UNITS[unit]
        if amount >= 1 and amount == int(amount):
            return f"{int(amount)}{unit}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"


def parse_expression(value: object) -> object:
    """Check that an expression parses; templates are checked when they are rendered."""
    if isinstance(value, str) and not is_template(value):
        try:
            Expression.parse(value)
        except ExpressionError as err:
            reason = "" if err.reason == "is not a valid expression" else f": {err.reason}"
            raise SpecError(f"'{value[:60]}' is not a condition{reason}", hint=err.hint) from err
    return value


def parse_condition(value: object) -> object:
    """Check that a condition parses; it reads names, so there is nothing in it to render."""
    if is_template(value):
        hint = "a condition reads names: write parameters.size > 3 instead of {{ params.size }} > 3"
        raise SpecError("may not be a template", hint=hint)
    return parse_expression(value)


PhaseId = Annotated[str, StringConstraints(pattern=IDENTIFIER)]
ImportPath = Annotated[str, StringConstraints(pattern=IMPORT_PATH)]
WorkflowId = Annotated[str, StringConstraints(pattern=WORKFLOW_ID)]
Environment = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
FunctionPath = Annotated[str, StringConstraints(pattern=FUNCTION_PATH)]
Gate = Annotated[str, BeforeValidator(parse_expression)]
Condition = Annotated[str, BeforeValidator(parse_condition)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
_REFERENCE = StringConstraints(pattern=REFERENCE)
DataReference = Annotated[str, _REFERENCE, Input(("dataset",))]
DataReferences = Annotated[list[Annotated[str, _REFERENCE]], Input(("dataset",))]
ModelReference = Annotated[str, _REFERENCE, Input(("model",))]
ServiceReference = Annotated[str, _REFERENCE, Input(("service",))]


class Spec(BaseModel):
    """Root of all spec models."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_timedelta="iso8601", allow_inf_nan=False)

    one_or_many: ClassVar[frozenset[str]] = frozenset()
    """Lists in whose place one item may stand."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _before_each(cls, value: Any, handler: Any, info: ValidationInfo) -> Any:
        """Let Jinja pass where it is rendered at run time: it is validated then; take one item for a list of one."""
        name = info.field_name or ""
        if isinstance(value, str) and is_template(value) and cls.renders(name):
            return value
        result = handler([value] if name in cls.one_or_many and isinstance(value, str | dict) else value)
        if isinstance(value, bool) and isinstance(result, int | float) and result is not value:
            raise SpecError(f"must be a number, found {str(value).lower()}")
        return result

    @classmethod
    def renders(cls, field: str) -> bool:  # noqa: ARG003 (subclasses look at it)
        """Say whether a field may be Jinja; what the DAG's shape depends on may not."""
        return True

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Dump as pydantic does, without its warning about fields that hold Jinja instead of their type."""
        return super().model_dump(**{"warnings": False, **options})


class ParseTimeSpec(Spec):
    """Root of the models that are needed before a run exists: none of their fields is rendered."""

    @classmethod
    def renders(cls, field: str) -> bool:  # noqa: ARG003 (for no field)
        """Say no."""
        return False


class ShorthandSpec(Spec):
    """Root of the models for which the value of one field may stand alone, as a schedule for its cron expression."""

    shorthand: ClassVar[str]
    """The field that a value alone stands for."""

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, value: Any) -> Any:
        return value if isinstance(value, dict | cls) else {cls.shorthand: value}


def specs_in(annotation: Any) -> Iterator[type[Spec]]:
    """Give the models that a field's type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for member in get_args(annotation):
        yield from specs_in(member)
