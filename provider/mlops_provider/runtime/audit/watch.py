"""What the monitor said of the windows that contain a prediction, and what was done about it."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError, StoreError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.audit.trail import Flaws, Link
from mlops_provider.runtime.monitor.deciding.decisions import newest_first, time_of
from mlops_provider.runtime.sql import literal
from mlops_provider.runtime.table import connect, scan
from mlops_provider.store.store import MANIFEST

if TYPE_CHECKING:
    from datetime import datetime

    from mlops_provider.runtime.audit.request import LoggedRow
    from mlops_provider.store.store import Store

_KEPT = ("id", "at", "status", "breach", "actions", "why", "window", "report")

_SLACK = timedelta(days=7)
"""By how much decisions may be out of order: those of a backfill are written late."""


def monitored(store: Store, row: LoggedRow) -> Link:
    """Give the decisions about windows that reach over the moment of a prediction; each says whether the row is in it.

    Of a large window some rows are kept: one that is not among them was in the window all the same.
    """
    import json

    flaws, found = Flaws(), []
    for decision in _since(store, row.workflow, row.environment, row.ts):
        uri = decision.get("window")
        if not uri:
            continue

        def look(uri: str = uri, decision: dict[str, Any] = decision) -> None:
            manifest = json.loads(store.files.read(f"{store.key(uri)}/{MANIFEST}"))
            inside = _inside(store, DatasetRef(uri=uri, digest=manifest["digest"], rows=0), row)
            if inside is not None:
                found.append({name: decision.get(name) for name in _KEPT} | {"row_kept": inside})

        flaws.watch(f"window {uri.rpartition('/')[2]} of the decision at {decision['at'][:19]}", look)
    if not found and not flaws.missing and not flaws.damaged:
        return Link(name="monitor", state="none", says="No window of the monitor reaches over this moment.")
    breaches = sum(each["status"] == "blocked" for each in found)
    says = f"Windows of the monitor that reach over it: {len(found)}; breaches among them: {breaches}."
    return flaws.link("monitor", says, {"decisions": found})


def incidents(store: Store, workflow: str, environment: str, since: datetime, later: list[dict[str, Any]]) -> Link:
    """Give what was done since: decisions with actions, and states that took a version back or stopped the service."""
    try:
        decisions = _since(store, workflow, environment, since)
    except (MlopsError, ValueError, KeyError) as err:
        said = f"the monitoring history cannot be read: {err}"
        return Link(name="incidents", state="damaged", says=said, wrong=(said,))
    acted = [
        {"at": each["at"], "what": ", ".join(each["actions"]), "why": each["why"], "by": "monitor"}
        for each in decisions
        if each["actions"]
    ]
    undone = [
        {"at": each["at"], "what": each["action"], "why": each["reason"], "by": each["by"]}
        for each in later
        if each["undone"]
    ]
    events = sorted([*acted, *undone], key=lambda each: str(each["at"]))
    if not events:
        return Link(name="incidents", state="none", says="Nothing was done about it since.")
    return Link(name="incidents", says=f"Actions since that moment: {len(events)}.", data={"events": events})


def _since(store: Store, workflow: str, environment: str, moment: datetime) -> list[dict[str, Any]]:
    """Give the decisions after a moment, oldest first; much earlier ones are not read."""
    newest = (decision for _, decision in newest_first(store, workflow, environment))
    found = takewhile(lambda each: time_of(each) >= moment - _SLACK, newest)
    return [each for each in found if time_of(each) >= moment][::-1]


def _inside(store: Store, window: DatasetRef, row: LoggedRow) -> bool | None:
    """Say whether a window keeps the row; None: it does not reach over its moment, or is another version's."""
    import duckdb

    same = f"request_id = {literal(row.request_id)} AND row = {row.row}"
    with connect() as connection:
        query = (
            f"SELECT min(ts), max(ts), any_value(version), coalesce(bool_or({same}), false) FROM {scan(store, window)}"
        )
        try:
            found = connection.execute(query).fetchone()
        except duckdb.BinderException:  # rows that no service answered
            return None
        except duckdb.Error as err:
            raise StoreError(f"its rows cannot be read: {err}") from err
    if found is None or found[0] is None or str(found[2]) != row.version or not found[0] <= row.ts <= found[1]:
        return None
    return bool(found[3])
