"""What is known of a window as a whole, of which the checks get some rows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.refs import ReportRef
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_provider.runtime.contract import RunContext

ABOUT_FILE = "window.json"
PROFILES_FILE = "profiles.parquet"
"""Profiles of all answered rows, whole and by segment."""
BASELINE_PROFILES_FILE = "baseline-profiles.parquet"
"""Those of the baseline, where it is not the model's own; of segments always."""
BASELINE_ROWS_FILE = "baseline-rows.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a window as a whole.

    `rows` counts all, `answered` those with an answer, each request once, `again` the others that were answered once
    more later; `kept` are published as rows. `due` are the answered rows of the stretch whose labels are due,
    `labelled` those of them that have one, `labelled_kept` what is published of these. `why` says why there is nothing.
    `baseline` says what it is compared with where that is not the model's own, and how many rows that has;
    `baseline_gone` why there is none. `segments` and `new_segments` count rows. `signature` is that of the rows where
    no model has one. `ahead` counts hours of the log that have not come yet. `service` is how all requests of it were
    answered.
    """

    rows: int = 0
    answered: int = 0
    again: int = 0
    kept: int = 0
    since: str = ""
    until: str = ""
    due: int = 0
    labelled: int = 0
    labelled_kept: int = 0
    due_since: str = ""
    due_until: str = ""
    unreadable: tuple[str, ...] = ()
    ahead: int = 0
    why: str = ""
    service: dict[str, float] = field(default_factory=dict)
    baseline: str = ""
    baseline_rows: int = 0
    baseline_gone: str = ""
    segments: dict[str, int] = field(default_factory=dict)
    new_segments: dict[str, int] = field(default_factory=dict)
    signature: dict[str, Any] = field(default_factory=dict)

    @property
    def sampled(self) -> bool:
        """Whether the published rows are a sample."""
        return self.kept < self.rows

    @property
    def coverage(self) -> float:
        """Share of the rows whose label is due that have one."""
        return self.labelled / self.due if self.due else 0.0

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Make it from its JSON form."""
        return cls(**{**value, "unreadable": tuple(value["unreadable"])})


def read_about(folder: Path) -> About:
    """Read what is known of a window from the folder of its profile."""
    return About.from_dict(json.loads((folder / ABOUT_FILE).read_bytes()))


def write_about(context: RunContext, about: About, folder: Path) -> ReportRef:
    """Publish what is known of a window with the files of a scratch folder."""
    (folder / ABOUT_FILE).write_bytes(json_bytes(asdict(about)))
    published = context.store().publish(
        context.workflow, "reports", folder, {"lineage": {"identity": context.identity}}
    )
    return ReportRef(uri=published.uri, digest=published.digest)
