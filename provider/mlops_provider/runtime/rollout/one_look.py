"""One look at a release: what is due is done, and where it has to wait, the task ends until then.

The operator takes this in place of `runtime.release`, which waits in its own process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.contract import Inputs, Outcome, PhaseUnfinishedError, RunContext
from mlops_provider.runtime.release import advance, held
from mlops_provider.runtime.rollout.progress import Progress, Waiting

if TYPE_CHECKING:
    from mlops_dag_factory.spec.release import ReleaseSpec


def run(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Do what is due; PhaseUnfinishedError where the release has to wait."""
    found = advance(config, inputs, context)
    if isinstance(found, Outcome):
        return found
    raise PhaseUnfinishedError(found.seconds, found.said)


def look(config: ReleaseSpec, inputs: Inputs, context: RunContext) -> Waiting | None:
    """Say how long there is nothing to do; None where there is something."""
    return held(config, context) or Progress(config, inputs, context).look()
