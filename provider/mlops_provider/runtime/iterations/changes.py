"""What changed between two runs, each statement computed from their records and from the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.iterations.data_changes import changed_data
from mlops_provider.runtime.iterations.history import Run, read_manifest, read_run
from mlops_provider.runtime.iterations.statement import KINDS, Change, shown

if TYPE_CHECKING:
    from mlops_provider.runtime.records import Record
    from mlops_provider.store.store import Store

_EMPTY: tuple[Any, ...] = (None, "", [], {}, False)


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed from an earlier run to a later one; `same` are the kinds that were compared and are equal.

    `unknown` says what could not be compared, and why.
    """

    workflow: str
    earlier: str
    later: str
    changes: tuple[Change, ...] = ()
    same: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def of_kind(self, *kinds: str) -> list[Change]:
        """Give the changes of some kinds."""
        return [change for change in self.changes if change.kind in kinds]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "changes": [asdict(change) for change in self.changes]}


@dataclass(slots=True)
class _Found:
    """What is found on the way: `compared` are the kinds of which both runs have something."""

    changes: list[Change] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)


def changes_between(store: Store, workflow: str, earlier_run: str, later_run: str, *, phase: str = "") -> Changes:
    """Compare two runs; `phase` leaves out the items of repeated phases that it does not go back to.

    ConfigError names the runs that there are.
    """
    return compare_runs(
        store, read_run(store, workflow, earlier_run), read_run(store, workflow, later_run), phase=phase
    )


def compare_runs(store: Store, earlier: Run, later: Run, *, phase: str = "") -> Changes:
    """Compare two runs that were read."""
    found = _Found()
    wanted = _wanted(earlier, phase), _wanted(later, phase)
    both = [name for name in later.phases if name in wanted[1] and name in wanted[0]]
    pairs = [(earlier.phases[name], later.phases[name]) for name in both]
    _phases(earlier, later, *wanted, found)
    _parameters(pairs, found)
    for before, after in pairs:
        _config(before, after, found)
        _code(before, after, found)
        _libraries(store, before, after, found)
        _images(before, after, found)
        _champion(before, after, found)
    _package(pairs, found)
    changed_data(store, pairs, found.changes, found.compared, found.unknown)
    found.changes.sort(key=lambda change: KINDS.index(change.kind))
    changed = {change.kind for change in found.changes}
    same = tuple(kind for kind in KINDS if kind in found.compared and kind not in changed)
    return Changes(later.workflow, earlier.run_id, later.run_id, tuple(found.changes), same, tuple(found.unknown))


def _wanted(run: Run, phase: str) -> set[str]:
    made = run.makers(phase) if phase else set()
    return {name for name in run.phases if not phase or "@" not in name or name in made}


def _phases(earlier: Run, later: Run, before: set[str], after: set[str], found: _Found) -> None:
    found.compared.add("phases")
    for name in later.phases:
        if name in after - before:
            found.changes.append(Change("phases", name, name, f"phase {name} ran in the later run only", None, name))
    for name in earlier.phases:
        if name in before - after:
            found.changes.append(Change("phases", name, name, f"phase {name} ran in the earlier run only", name, None))


def _parameters(pairs: list[tuple[Record, Record]], found: _Found) -> None:
    """Compare the parameters of the runs."""
    if not pairs:
        return
    found.compared.add("parameters")
    sides = [_flat(dict(record.get("parameters") or {})) for record in pairs[0]]
    _differences("parameters", "", sides[0], sides[1], found)


def _config(before: Record, after: Record, found: _Found) -> None:
    """Compare the rendered keys of a phase; a seed is a kind of its own."""
    name = after["phase"]
    sides = [_flat(record["config"]) for record in (before, after)]
    seeds = [{key: value for key, value in side.items() if _is_seed(key)} for side in sides]
    rest = [{key: value for key, value in side.items() if not _is_seed(key)} for side in sides]
    found.compared.add("parameters")
    _differences("parameters", name, rest[0], rest[1], found)
    if any(seeds):
        found.compared.add("seed")
        _differences("seed", name, seeds[0], seeds[1], found)


def _is_seed(key: str) -> bool:
    return key.rpartition(".")[2] in {"seed", "random_state"}


def _code(before: Record, after: Record, found: _Found) -> None:
    """Compare the digests of the code that a phase called; a function that is another one is a change of config."""
    old, new = (record.get("code") for record in (before, after))
    if old is None or new is None:
        found.unknown.append(f"the code of {after['phase']}: a record is older than such digests")
        return
    found.compared.add("code")
    for name in [name for name in new if name in old and new[name] != old[name]]:
        says = f"the code of {name} changed, which {after['phase']} calls ({old[name][:12]} → {new[name][:12]})"
        found.changes.append(Change("code", after["phase"], name, says, old[name], new[name]))


def _package(pairs: list[tuple[Record, Record]], found: _Found) -> None:
    """Compare the versions of this package."""
    versions = [
        {record["code_version"] for record in side if "code_version" in record} for side in zip(*pairs, strict=True)
    ]
    if len(versions) == 2 and all(versions):  # noqa: PLR2004 (two sides)
        found.compared.add("code")
        old, new = (", ".join(sorted(side)) for side in versions)
        if old != new:
            says = f"airflow-provider-mlops {old} → {new}"
            found.changes.append(Change("code", "", "airflow-provider-mlops", says, old, new))


def _libraries(store: Store, before: Record, after: Record, found: _Found) -> None:
    """Compare the versions of libraries that stand in the manifests of the models."""
    outputs = [record.get("outputs") or {} for record in (before, after)]
    models = [side["model"] for side in outputs if "model" in side]
    if after["phase_type"] != "train" or len(models) < len(outputs):
        return
    manifests = [read_manifest(store, model) for model in models]
    if not all(manifests):
        found.unknown.append(f"the libraries of {after['phase']}: a model is no longer in the store")
        return
    old, new = (_versions(manifest["meta"]) for manifest in manifests)
    found.compared.add("libraries")
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            says = f"{name} {old.get(name) or 'was not there'} → {new.get(name) or 'is gone'} in {after['phase']}"
            found.changes.append(Change("libraries", after["phase"], name, says, old.get(name), new.get(name)))


def _versions(meta: dict[str, Any]) -> dict[str, str]:
    found = {name: str(version) for name, version in (meta.get("libraries") or {}).items()}
    for line in meta.get("requirements") or ():
        name, _, version = str(line).partition("==")
        found.setdefault(name, version)
    return found


def _images(before: Record, after: Record, found: _Found) -> None:
    old, new = (
        {name: ref["digest"] for name, ref in (record.get("outputs") or {}).items() if ref["kind"] == "image"}
        for record in (before, after)
    )
    if old and new:
        found.compared.add("image")
    for name in [name for name in new if name in old and old[name] != new[name]]:
        says = f"the image of {after['phase']} {old[name][:12]} → {new[name][:12]}"
        found.changes.append(Change("image", after["phase"], name, says, old[name], new[name]))


def _champion(before: Record, after: Record, found: _Found) -> None:
    """Compare what the checkpoints say of the champion that they compared with."""
    old, new = ((record.get("details") or {}).get("champion_note", "") for record in (before, after))
    if old and new:
        found.compared.add("champion")
    if old and new and old != new:
        says = f"{after['phase']} compared with another: {old} → {new}"
        found.changes.append(Change("champion", after["phase"], "champion", says, old, new))


def _differences(kind: str, phase: str, old: dict[str, Any], new: dict[str, Any], found: _Found) -> None:
    """Compare values by name: those of a phase, or of the run where `phase` is empty."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        unset = (name not in old or name not in new) and (before in _EMPTY and after in _EMPTY)
        if before != after and not unset:
            where = f"{phase}.{name}" if phase else f"parameter {name}"
            found.changes.append(Change(kind, phase, name, f"{where} {shown(before)} → {shown(after)}", before, after))


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give the leaves of nested maps by their dotted names; lists stay whole."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            found |= _flat(inner, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = inner
    return found
