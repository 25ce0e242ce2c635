"""Runs by the names that people use: an id, `latest`, `champion`, `last-good`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime import tracking
from mlops_provider.runtime.iterations.history import EVALUATE, Run, evaluation_of, last_good, read_run, run_ids

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

LATEST, CHAMPION, LAST_GOOD = "latest", "champion", "last-good"


def find_run(
    store: Store, workflow: str, name: str, *, tracking_uri: str = "", before: Run | None = None, phase: str = ""
) -> Run:
    """Give the run that a name means; `last-good` is the last good one before `before`, or before the latest.

    ConfigError says what there is instead.
    """
    if name == LATEST:
        return _latest(store, workflow)
    if name == CHAMPION:
        return _champion(store, workflow, tracking_uri)
    if name == LAST_GOOD:
        return _last_good(store, workflow, before or _latest(store, workflow), phase)
    return read_run(store, workflow, name)


def _latest(store: Store, workflow: str) -> Run:
    known = run_ids(store, workflow)
    if not known:
        raise ConfigError(f"{workflow} has no runs in {store.url}")
    return read_run(store, workflow, known[-1])


def _champion(store: Store, workflow: str, tracking_uri: str) -> Run:
    """Give the run that registered the champion of the workflow's name."""
    ref = tracking.champion(store, tracking_uri, workflow)
    if ref is None:
        raise ConfigError(f"{workflow} has no champion", hint="name a run, latest or last-good")
    for run_id in reversed(run_ids(store, workflow)):
        run = read_run(store, workflow, run_id)
        made = [out for record in run.phases.values() for out in (record.get("outputs") or {}).values()]
        if any(out.get("version") == ref.version and out["digest"] == ref.digest for out in made):
            return run
    raise ConfigError(f"the champion of {workflow} is version {ref.version}, which no run in {store.url} made")


def _last_good(store: Store, workflow: str, before: Run, phase: str) -> Run:
    names = [phase] if phase else [record["phase"] for record in before.of_type(EVALUATE)]
    if phase and phase not in before.phases:
        known = ", ".join(record["phase"] for record in before.of_type(EVALUATE)) or "none"
        raise ConfigError(f"run {before.run_id} has no phase '{phase}'", hint=f"its evaluations: {known}")
    blocked = [name for name in names if evaluation_of(before.phases[name]).status == "blocked"]
    for name in [*blocked, *reversed(names)]:
        good = last_good(store, before.phases[name])
        if good is not None:
            return read_run(store, workflow, good.run_id)
    others = [run_id for run_id in run_ids(store, workflow) if run_id != before.run_id]
    looked = f"of {', '.join(names)}" if names else "with an evaluation"
    hint = f"name a run instead: {', '.join(others[-5:])}" if others else "it is the only run"
    raise ConfigError(f"no run {looked} before {before.run_id} is good: its gates held or were overridden", hint=hint)
