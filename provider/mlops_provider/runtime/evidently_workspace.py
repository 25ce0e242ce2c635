"""The monitoring history as a workspace of Evidently's, which its own UI opens.

One project for each service, one run for each check that compared columns; a check that is there already is left as
it is, so that an export can be repeated and grows with the history.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.evidently_drift import ROWS_FILE, snapshot
from mlops_provider.store.store import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_provider.store.store import Store

_CHECK = "check"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: runs added, runs that were there, checks that compared no columns or are gone."""

    project: str
    added: int
    present: int
    without: int


def export(store: Store, service: str, decisions: Iterable[Mapping[str, Any]], folder: Path) -> Exported:
    """Add the checks behind decisions to a workspace in a folder, the oldest first.

    A run that an export left half-written is made anew.
    """
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently.ui.workspace import Workspace

    _remove_half_written(folder)
    workspace = Workspace.create(str(folder))
    named = [project for project in workspace.list_projects() if project.name == service]
    project = named[0] if named else workspace.create_project(service)
    runs = [workspace.get_run(project.id, run) for run in workspace.list_runs(project.id)]
    known = {run.metadata.get(_CHECK) for run in runs if run}
    added = present = without = 0
    for entry in decisions:
        if entry["id"] in known:
            present += 1
            continue
        rows = _rows(store, entry.get("report") or "")
        if rows is None:
            without += 1
            continue
        workspace.add_run(project.id, _snapshot(rows, entry))
        added += 1
    return Exported(str(project.id), added, present, without)


def _remove_half_written(folder: Path) -> None:
    """Remove runs that are no JSON: with one of them neither Evidently nor its UI opens the workspace."""
    for file in folder.glob("*/snapshots/*.json"):
        try:
            json.loads(file.read_bytes())
        except ValueError:
            file.unlink()


def _snapshot(rows: bytes, entry: Mapping[str, Any]) -> Any:
    at = datetime.fromisoformat(entry["at"])
    said = {_CHECK: entry["id"], "status": entry["status"], "version": str(entry.get("version", ""))}
    with tempfile.TemporaryDirectory(prefix="mlops-evidently-") as folder:
        file = Path(folder) / ROWS_FILE
        file.write_bytes(rows)
        return snapshot(file, at=at.replace(tzinfo=None), name=f"{at:%Y-%m-%d %H:%M}", metadata=said)


def _rows(store: Store, uri: str) -> bytes | None:
    """Give the sample that the check kept; None where it kept none or the report is gone."""
    if not uri:
        return None
    folder = store.key(uri)
    try:
        files = json.loads(store.files.read(f"{folder}/{MANIFEST}"))["files"]
        return store.files.read(f"{folder}/{ROWS_FILE}") if ROWS_FILE in files else None
    except FileNotFoundError:
        return None
