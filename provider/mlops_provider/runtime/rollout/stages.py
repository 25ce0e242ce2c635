"""The stages of a release: what share of the traffic the new version has, and for how long it is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from mlops_dag_factory.spec.release import ReleaseSpec

ALL = 100


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the new version's percent of the traffic and how long it lasts at least."""

    weight: int
    lasts: timedelta

    def weights(self, candidate: str, stable: str) -> dict[str, int]:
        """Give the weights of both versions, the one that is live first."""
        return {stable: ALL - self.weight, candidate: self.weight}

    def __str__(self) -> str:
        """Say the share."""
        return f"{self.weight} %"


def stages_of(config: ReleaseSpec) -> list[Stage]:
    """Give the stages of a release after loading; none where all happens at once."""
    if config.strategy == "canary":
        return [Stage(step.weight, step.lasts) for step in config.steps]
    if config.strategy == "blue_green":
        return [Stage(ALL, config.keep)]
    return [Stage(0, config.watch_for)] if config.strategy == "shadow" else []
