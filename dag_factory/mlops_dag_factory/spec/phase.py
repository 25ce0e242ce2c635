"""What every phase has: options, references to other phases, outputs."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from pydantic import BeforeValidator, Field, field_validator

from mlops_dag_factory.spec.base import (
    Condition,
    Duration,
    ImportPath,
    Input,
    ParseTimeSpec,
    PhaseId,
    Reference,
    Spec,
    SpecError,
    is_template,
)
from mlops_dag_factory.spec.resources import Resources
from mlops_provider.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Iterable

EVENTS = (
    "started", "succeeded", "failed", "skipped", "waiting", "blocked", "breach", "retrain", "released", "rolled_back",
)  # fmt: skip
IMAGE_OF = ("resources", "image_of")
_ON = re.compile(r"(?:(?P<phases>[a-z0-9_*?.]+):)?(?P<events>[a-z_]+(?:\s*,\s*[a-z_]+)*)")


class NotifierSpec(ParseTimeSpec):
    """Any Airflow notifier."""

    notifier: ImportPath = Field(description="Notifier class, as 'package.module.Class'; the deployment allows it.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of the notifier; Airflow renders them."
    )


class NotifySpec(ParseTimeSpec):
    """Who is told of what."""

    one_or_many: ClassVar = frozenset({"to"})

    on: str = Field(
        description="Events, as 'failed,blocked'; of some phases only, as 'model:failed' or 'train_*:failed'. "
        f"Events: {', '.join(EVENTS)}."
    )
    to: list[str | NotifierSpec] = Field(
        min_length=1, description="Connections (conn_id of HTTP connections that take JSON), 'role:<name>', notifiers."
    )

    @field_validator("on")
    @classmethod
    def _grammar(cls, value: str) -> str:
        match = _ON.fullmatch(value)
        if match is None:
            raise SpecError(f"'{value}' is not 'phases:events'", hint="write it as '*:failed,blocked'")
        for event in re.split(r"\s*,\s*", match["events"]):
            if event not in EVENTS:
                raise SpecError(f"there is no event '{event}'", hint=f"events: {', '.join(EVENTS)}")
        return value

    @property
    def phases(self) -> str:
        """The pattern of the phases' names."""
        match = _ON.fullmatch(self.on)
        return (match["phases"] if match else None) or "*"

    @property
    def events(self) -> tuple[str, ...]:
        """The events."""
        return tuple(re.split(r"\s*,\s*", self.on.rpartition(":")[2]))


class CacheSpec(ParseTimeSpec):
    """How long an earlier result may be taken again."""

    ttl: Duration | None = Field(default=None, description="Age from which a result is made anew, as 7d.")


def _template(value: object) -> object:
    if not is_template(value):
        raise SpecError("must be a list, or a template that gives one")
    return value


ItemValues = list[Any] | Annotated[str, BeforeValidator(_template)]


class PhaseOptions(Spec):
    """The options that every phase has, and that a workflow may give to all."""

    one_or_many: ClassVar[frozenset[str]] = frozenset({"after", "notify"})

    after: list[PhaseId] = Field(
        default_factory=list, description="Phases that must succeed first, without handing over data."
    )
    retries: int | None = Field(
        default=None, ge=0, le=100, description="How often to try again after a transient failure."
    )
    retry_delay: Duration | None = Field(default=None, description="How long to wait between tries, as 30s or 5m.")
    timeout: Duration | None = Field(default=None, description="How long one try may take, as 30m or 2h.")
    notify: list[NotifySpec] = Field(default_factory=list, description="Who is told of what; added to the workflow's.")
    cache: bool | CacheSpec | None = Field(
        default=None, description="False: always do the work again; a ttl: take a result again only while it is young."
    )
    resources: Resources = Field(default=Resources(), description="Where the phase runs and what it may use.")

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: the options may not."""
        return field not in PhaseOptions.model_fields


class PhaseSpec(PhaseOptions):
    """Root of all phase types. Field `type` names the phase type; inputs are the fields marked with `Input`."""

    outputs: ClassVar[dict[str, str]] = {}
    """Name -> kind of reference that the phase gives."""
    default_output: ClassVar[str | None] = None
    """The output that a bare `phase` refers to."""
    checkpoint: ClassVar[bool] = False
    """True where the phase gives a verdict."""
    in_worker: ClassVar[bool] = True
    """True where the work is one function in the worker: only such phases may be repeated or share a task."""
    portable: ClassVar[bool] = True
    """True where the work can be done elsewhere too: in an environment of its own, a container or a pod."""

    type: str
    title: str = Field(default="", description="Name of the phase as people see it.")
    description: str = Field(default="", description="Markdown: what the phase is for and what to do when it fails.")
    when: Condition | None = Field(
        default=None,
        description="Condition over parameters.<name>, phases.<p>.metrics.<m>, phases.<p>.verdict, item.<key>; "
        "false: the phase is skipped, and what only depends on it.",
    )
    foreach: dict[PhaseId, ItemValues] = Field(
        default_factory=dict,
        description="Repeat the phase for every item, as {region: [north, south]}: {{ item.region }}.",
    )
    group: PhaseId | None = Field(default=None, description="Name of the task that this phase shares with others.")

    @classmethod
    def renders(cls, field: str) -> bool:
        """Say whether a field may be Jinja: what the graph is made of may not."""
        shape = {"type", "when", "foreach", "group"}
        return super().renders(field) and field not in shape and field not in cls.input_fields()

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
        for loc, text, _ in self.nested_references():
            found[".".join(map(str, loc))] = (text,)
        return found

    def nested_references(self) -> Iterable[tuple[tuple[str | int, ...], str, Input]]:
        """Give the references below the phase's own fields, each with its place in the phase."""
        if self.resources.image_of:
            yield IMAGE_OF, self.resources.image_of, Input(("image",))

    def upstream(self) -> list[str]:
        """Give the phases that come first, by reference, by condition or by `after`, each once and in order."""
        found = dict.fromkeys(
            Reference.parse(text).phase for references in self.references().values() for text in references
        )
        if self.when:
            found.update(dict.fromkeys(phases_in(self.when)))
        found.update(dict.fromkeys(self.after))
        return list(found)

    def output_kind(self, output: str) -> str | None:
        """Give the kind of an output, '' where it is only known at run time, None where there is none."""
        return self.outputs.get(output or self.default_output or "")


@lru_cache(maxsize=4096)
def phases_in(expression: str) -> tuple[str, ...]:
    """Give the phases whose metrics or verdicts an expression reads."""
    return Expression.parse(expression).phases()


def _metadata(annotation: Any) -> tuple[Any, ...]:
    """Give what is attached to the members of an annotation such as `DataReference | None`."""
    return tuple(mark for member in get_args(annotation) for mark in getattr(member, "__metadata__", ()))
