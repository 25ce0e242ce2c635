"""Do the work of a phase: in this process, or elsewhere, where the cache has nothing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_provider.runtime.cache import recall
from mlops_provider.runtime.phase import Finished, run_phase
from mlops_provider.runtime.recording import recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from mlops_provider.runtime.places.work import Place, Work


def run_here(work: Work, config: BaseModel, *, cache: bool | float = False) -> Finished:
    """Do the work in this process; `cache` as in `run_phase`, where it was not asked already."""
    if not work.worker:
        return run_phase(config, work.inputs, work.context, cache=cache, function=work.function, recalled=work.recalled)
    from mlops_provider.runtime.tuning.task import run_trials

    recalled = work.recalled or recall(config, work.inputs, work.context, cache)
    return run_trials(replace(work, recalled=recalled), config)  # type: ignore[arg-type] # only a training has workers


def run_elsewhere(
    work: Work, config: BaseModel, place: Place, say: Callable[[str], None], *, cache: bool | float = False
) -> Finished:
    """Do the work in a place; where the cache has its outcome, nothing is started.

    The process there writes the record. One that is written here only counts where there is none: the place could not
    be made, or its process was killed.
    """
    with recording(config, work.inputs, work.recorded) as begun:
        begun.record["place"] = place.described()
        work = replace(work, context=replace(work.context, place=begun.record["place"]))
        recalled = recall(config, work.inputs, work.context, cache, place.environment())
        work = replace(work, recalled=recalled)
        if recalled.hit.outcome is None:
            return Finished.read(work.context.store(), place.run(work, say)["record"])
    return run_here(work, config)
