"""What all spec models share: closed, frozen, described; the types of their fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from mlops_provider.exceptions import ExpressionError
from mlops_provider.expressions import Expression

TEMPLATE = re.compile(r"\{\{|\{%")
IDENTIFIER = r"^[a-z][a-z0-9_]{0,62}$"
WORKFLOW_ID = r"^[a-z][a-z0-9_-]{0,63}$"
IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
FUNCTION_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True, slots=True)
class Input:
    """Marks a field that refers to another phase's output; `kinds` are the kinds of reference it takes."""

    kinds: tuple[str, ...]


class SpecError(ValueError):
    """A value that a spec refuses, with what to write instead."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


def exactly_one(**fields: object) -> None:
    """Refuse when not exactly one of two fields has a value."""
    given = [name for name, value in fields.items() if value is not None]
    if len(given) != 1:
        message = "has both {} and {}" if given else "needs {} or {}"
        raise SpecError(message.format(*(f"'{name}'" for name in fields)), hint="give one of the two")


def is_template(value: object) -> bool:
    """Say whether a value is Jinja that Airflow renders at run time."""
    return isinstance(value, str) and "{" in value and TEMPLATE.search(value) is not None


def parse_duration(value: object) -> object:
    """Turn '90s', '30m', '24h', '7d' into a timedelta; leave ISO 8601 and timedeltas to pydantic."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise SpecError(f"is not a duration: {value} has no unit", hint=_DURATION_HINT)
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


PhaseId = Annotated[str, StringConstraints(pattern=IDENTIFIER)]
ImportPath = Annotated[str, StringConstraints(pattern=IMPORT_PATH)]
FunctionPath = Annotated[str, StringConstraints(pattern=FUNCTION_PATH)]
Gate = Annotated[str, BeforeValidator(parse_expression)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
_REFERENCE = StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]*)?$")
DataReference = Annotated[str, _REFERENCE, Input(("dataset",))]
DataReferences = Annotated[list[Annotated[str, _REFERENCE]], Input(("dataset",))]
ModelReference = Annotated[str, _REFERENCE, Input(("model",))]
ServiceReference = Annotated[str, _REFERENCE, Input(("service",))]


class Spec(BaseModel):
    """Root of all spec models."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_timedelta="iso8601", allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_templates(cls, value: Any, handler: Any, info: ValidationInfo) -> Any:
        """Let Jinja pass where it is rendered at run time: it is validated then."""
        return value if is_template(value) and cls.renders(info.field_name or "") else handler(value)

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


class Resources(ParseTimeSpec):
    """Where a phase runs and what it may use."""

    pool: str | None = Field(None, description="Airflow pool that limits how many run at once.")
    pool_slots: int = Field(1, ge=1, description="Slots of the pool that this phase takes.")
    executor: str | None = Field(None, description="Airflow executor for this phase, where several are configured.")
    priority: int = Field(1, description="Airflow's priority weight.")


class PhaseOptions(Spec):
    """The options that every phase has."""

    after: list[PhaseId] = Field(default=[], description="Phases that must succeed first, without handing over data.")
    retries: int | None = Field(None, ge=0, le=100, description="How often to try again after a transient failure.")
    retry_delay: Duration | None = Field(None, description="How long to wait between tries, as 30s or 5m.")
    timeout: Duration | None = Field(None, description="How long one try may take, as 30m or 2h.")
    resources: Resources = Field(default=Resources(), description="Where the phase runs and what it may use.")

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: the options may not."""
        return field not in PhaseOptions.model_fields

    @field_validator("after", mode="before")
    @classmethod
    def _after_one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class PhaseSpec(PhaseOptions):
    """Root of all phase types. Field `type` names the phase type; inputs are the fields marked with `Input`."""

    outputs: ClassVar[dict[str, str]] = {}
    """Name -> kind of reference that the phase gives."""
    default_output: ClassVar[str | None] = None
    """The output that a bare `phase` refers to."""
    checkpoint: ClassVar[bool] = False
    """True where the phase gives a verdict."""

    type: str
    title: str = Field("", description="Name of the phase as people see it.")
    description: str = Field("", description="Markdown: what the phase is for and what to do when it fails.")

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: references make the graph and may not."""
        return super().renders(field) and field != "type" and field not in cls.input_fields()

    @classmethod
    def input_fields(cls) -> dict[str, Input]:
        """Give the fields that refer to other phases' outputs."""
        cached: dict[str, Input] | None = cls.__dict__.get("_input_fields")
        if cached is None:
            cached = {
                name: mark
                for name, info in cls.model_fields.items()
                for mark in (*info.metadata, *_metadata(info.annotation))
                if isinstance(mark, Input)
            }
            cls._input_fields = cached  # type: ignore[attr-defined]
        return cached

    def references(self) -> dict[str, tuple[str, ...]]:
        """Give, for each input field that is set, the references written in it."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.input_fields():
            value = getattr(self, name)
            if value:
                found[name] = (value,) if isinstance(value, str) else tuple(value)
        return found

    def upstream(self) -> list[str]:
        """Give the phases that must succeed first, by reference or by `after`, each once and in order."""
        referred = (
            reference.partition(".")[0] for references in self.references().values() for reference in references
        )
        return list(dict.fromkeys([*referred, *self.after]))


def _metadata(annotation: Any) -> tuple[Any, ...]:
    """Give what is attached to the members of an annotation such as `DataReference | None`."""
    return tuple(mark for member in get_args(annotation) for mark in getattr(member, "__metadata__", ()))
