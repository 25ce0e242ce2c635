"""Phase `release`: how traffic moves to a new version, what is watched meanwhile, and when it goes back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, create_model, model_validator

from mlops_dag_factory.spec.base import (
    Duration,
    Environment,
    Gate,
    PhaseId,
    Spec,
    SpecError,
    is_template,
)
from mlops_dag_factory.spec.freeze import FreezeSpec
from mlops_dag_factory.spec.labels import LabelsSpec
from mlops_dag_factory.spec.phase import PhaseSpec
from mlops_dag_factory.spec.target import Deployable, TargetSpec
from mlops_provider.evidence_policy import Risk
from mlops_provider.expressions import Expression

MEASURED = (
    "requests", "rows", "error_rate", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms",
)  # fmt: skip
COMPARED = ("prediction_drift", "agreement", "near_agreement")
_BELONGS = {
    "steps": "canary",
    "keep": "blue_green",
    "watch_for": "shadow",
    "then": "shadow",
    "tolerance": "shadow",
}
_WATCHING = ("watch", "metrics", "labels", "minimum_requests", "patience", "every")

if TYPE_CHECKING:

    class _Lasting(Spec):
        """A step that lasts; the key is a word that Python keeps for itself."""
else:
    _Lasting = create_model(
        "_Lasting", __base__=Spec, **{"for": (Duration, Field(description="How long it lasts at least, as 10m."))}
    )


class CanaryStepSpec(_Lasting):
    """One step of a canary."""

    weight: int = Field(ge=1, le=99, description="Percent of the traffic that the new version gets.")

    @property
    def lasts(self) -> timedelta:
        """How long it lasts at least."""
        found: timedelta = getattr(self, "for")
        return found


class ReleaseSpec(TargetSpec, PhaseSpec):
    """Give a model version the production traffic, then the champion's alias."""

    outputs: ClassVar = {"service": "service"}
    default_output: ClassVar = "service"
    portable: ClassVar = False  # it acts on servers that only the worker reaches

    type: Literal["release"] = "release"
    model: Deployable = Field(description="Registered model version to release, or the image of one.")
    environment: Environment = Field(default="production", description="Environment to release to.")
    strategy: Literal["all_at_once", "canary", "blue_green", "shadow"] = Field(
        default="all_at_once",
        description="all_at_once: as soon as it is healthy; canary: in steps; blue_green: both in memory, switched at "
        "once, the old one kept; shadow: it is asked too and compared, before it gets traffic.",
    )
    steps: list[CanaryStepSpec] = Field(
        default_factory=list, description="The steps of a canary, as [{weight: 5, for: 10m}, {weight: 50, for: 1h}]."
    )
    keep: Duration = Field(
        default=timedelta(hours=1),
        description="How long blue_green watches the new version and keeps the old one in memory.",
    )
    watch_for: Duration = Field(default=timedelta(hours=1), description="How long a shadow is asked and compared.")
    then: Literal["promote", "report"] = Field(
        default="promote", description="What follows a shadow that held: it gets the traffic, or it is only reported."
    )
    tolerance: float = Field(
        default=0.01, ge=0, description="Part of its size by which a shadow's number may differ and still be near."
    )
    watch: list[Gate] = Field(
        default=["error_rate <= 0.01"],
        description="What must hold in every step, of the new version in the step's own time: "
        f"{', '.join(MEASURED)} (these also of the live one as champion.<name>), prediction_drift between the two, "
        "agreement and near_agreement of a shadow, and the names in `metrics`. What does not hold rolls back at once.",
    )
    metrics: dict[PhaseId, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Measures of your own: name -> SQL that gives one number from the table `predictions`, which has "
        "the version's rows of the step with request_id, entity_id, prediction, probability, truth and x_<feature>.",
    )
    labels: LabelsSpec | None = Field(
        default=None, description="Where true outcomes arrive, for `metrics`; default: the monitor's."
    )
    minimum_requests: int = Field(
        default=100, ge=1, description="Fewer requests of a step are not judged: the step lasts until there are enough."
    )
    patience: Duration = Field(
        default=timedelta(hours=24),
        description="How much longer a step may last for what is missing (requests, labels); then it is rolled back.",
    )
    every: Duration = Field(default=timedelta(seconds=30), description="How often a step is looked at.")
    alternate: Literal["keep", "previous", "none"] = Field(
        default="keep",
        description="Who stands by after it, and answers where the new version fails: who does now, the version "
        "before, or none.",
    )
    freeze: list[FreezeSpec] = Field(
        default_factory=list, description="Times in which this release does not begin; added to the workflow's."
    )
    on_freeze: Literal["refuse", "wait"] = Field(
        default="refuse", description="What a release does that would begin in a freeze: fail, or wait for its end."
    )
    override: str = Field(
        default="",
        description="Reason to release in spite of a freeze, usually a parameter of the run: "
        "'{{ parameters.override }}'. It goes into the audit chain with who started the run; empty: none.",
    )
    risk: Risk | None = Field(
        default=None, description="Risk class whose policy must be met; the workflow's wins where it has one."
    )
    wait: Duration = Field(
        default=timedelta(minutes=2), description="How long it may take until it answers; in a cluster 10m."
    )

    @model_validator(mode="after")
    def _of_its_strategy(self) -> Self:
        if is_template(self.strategy):
            return self
        if self.strategy != "all_at_once" and self.target != "server":
            raise SpecError(
                f"strategy {self.strategy} divides the traffic of model servers, target {self.target} has none",
                hint="take target: server, or strategy: all_at_once, which there is a rolling update",
            )
        for field, strategy in _BELONGS.items():
            if field in self.model_fields_set and self.strategy != strategy:
                raise SpecError(f"has '{field}', which belongs to strategy {strategy}, not {self.strategy}")
        if self.strategy == "canary" and not self.steps:
            raise SpecError(
                "a canary needs 'steps'", hint="write steps: [{weight: 5, for: 10m}, {weight: 50, for: 1h}]"
            )
        if self.strategy == "all_at_once":
            if given := [name for name in _WATCHING if name in self.model_fields_set]:
                raise SpecError(
                    f"has '{given[0]}', but all_at_once watches nothing",
                    hint="take strategy canary, blue_green or shadow",
                )
            return self
        weights = [step.weight for step in self.steps if not is_template(step.weight)]
        if weights != sorted(set(weights)):
            raise SpecError(f"the weights of 'steps' must grow, found {', '.join(map(str, weights))}")
        self._check_watch()
        return self

    def _check_watch(self) -> None:
        own = tuple(self.metrics)
        known = {*MEASURED, *own, *COMPARED, *(f"champion.{name}" for name in (*MEASURED, *own))}
        shadow = {"agreement", "near_agreement"}
        for gate in self.watch:
            for name in () if is_template(gate) else Expression.parse(gate).names():
                if name not in known and not name.startswith("parameters."):
                    raise SpecError(f"'{name}' is not measured by a release", hint=f"known: {', '.join(sorted(known))}")
                if name in shadow and self.strategy != "shadow":
                    raise SpecError(f"'{name}' is measured for a shadow only")
