"""One look of the monitor: the window, the version that answered in it, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.files import read_profiles
from mlops_provider.runtime.monitor.about import (
    BASELINE_PROFILES_FILE,
    BASELINE_ROWS_FILE,
    PROFILES_FILE,
    About,
    read_about,
)
from mlops_provider.runtime.monitor.windows.profiles import log_profiles, model_profiles
from mlops_provider.runtime.monitor.windows.segments import WHOLE, Segments, unflat
from mlops_provider.runtime.predictions import FAILED_STATUS, signature_of
from mlops_provider.runtime.table import connect, read_frame, scan
from mlops_provider.store.models import BASELINE_FILE, Signature
from mlops_provider.store.services import read_service, service_history

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.refs import DatasetRef, ReportRef
    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.monitor.windows.segments import Parts
    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store


@dataclass(frozen=True)
class Look:
    """What every check gets.

    `window` are rows of the window, `due` those with labels on which performance is judged, `profile` is what is known
    of all rows; `folder` is where the report's files go.
    """

    config: MonitorSpec
    context: RunContext
    store: Store
    window: DatasetRef | None
    folder: Path
    due: DatasetRef | None = None
    profile: ReportRef | None = None

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows of the window in the order of time, of a large one a sample: `total` says how many there are."""
        if self.window is None:
            return self.labelled.iloc[:0]
        rows = read_frame(self.store, self.window)
        return rows if "again" in rows else rows.assign(again=False)

    @cached_property
    def answered(self) -> pd.DataFrame:
        """The rows that the service answered; what was asked again, with the same values, counts once."""
        rows = self.rows
        return rows[(rows["status"] < FAILED_STATUS) & ~rows["again"]]

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The answered rows on which performance is judged: of the latest window whose labels are due."""
        if self.due is not None:
            rows = read_frame(self.store, self.due)
        else:
            rows = self.answered if self.profile is None else self.answered.iloc[:0]
        return rows.dropna(subset=["truth", "prediction"])

    @cached_property
    def about(self) -> About:
        """What is known of the window as a whole."""
        if self.profile is not None:
            return read_about(self.store.open(self.profile).folder)
        rows, answered, labelled = len(self.rows), len(self.answered), len(self.labelled)
        return About(rows=rows, kept=rows, answered=answered, due=answered, labelled=labelled, labelled_kept=labelled)

    @property
    def total(self) -> int:
        """Number of rows of the window, those included that `rows` leaves out."""
        return self.about.rows

    @property
    def not_judged(self) -> str:
        """Why performance is not judged although labels have arrived: their coverage is below what is wanted."""
        labels, about = self.config.labels, self.about
        if labels is None or about.coverage >= labels.minimum_coverage:
            return ""
        return (
            f"{about.labelled:,} of {about.due:,} due labels have arrived ({about.coverage:.0%}); "
            f"labels.minimum_coverage is {labels.minimum_coverage:.0%}"
        )

    @cached_property
    def served(self) -> ServedVersion:
        """The version that answered; it may have been replaced since the window was read."""
        rows = self.labelled if self.window is None else self.rows
        if self.config.data != "predictions":
            return self._live()
        version = str(rows["version"].iloc[-1])
        environment = self.config.environment
        for state in reversed(service_history(self.store, self.context.workflow, environment)):
            for served in state.versions:
                if served.version == version:
                    return served
        name = f"{self.context.workflow}/{environment}"
        raise DataError(f"{name} has never served version {version}, but it is in the prediction log")

    def _live(self) -> ServedVersion:
        workflow, environment = self.context.workflow, self.config.environment
        live = read_service(self.store, workflow, environment).primary
        if live is None:
            raise DataError(f"{workflow}/{environment} has no live version")
        return live

    @cached_property
    def signature(self) -> Signature:
        """What the version takes and gives; where there is none, what the rows are."""
        if self.about.signature:
            return Signature.from_dict(self.about.signature)
        return signature_of(self.store, self.served)

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """Rows of what the window is compared with: features, and in PREDICTION_COLUMN the predictions."""
        import pandas as pd

        if self.config.baseline == "model":
            return pd.read_parquet(self.store.open(self.served.model).folder / BASELINE_FILE)
        file = self._published(BASELINE_ROWS_FILE)
        return pd.read_parquet(file) if file else pd.DataFrame(columns=[*self.baseline_profiles])

    @cached_property
    def baseline_profiles(self) -> dict[str, ColumnProfile]:
        """The profiles of what the window is compared with, by feature; the predictions' is under PREDICTION."""
        if self.config.baseline == "model":
            return model_profiles(self.store, self.served.model, self.signature)
        return self.baseline_parts.get(WHOLE, {})

    @cached_property
    def profiles(self) -> dict[str, ColumnProfile]:
        """The profiles of all answered rows, by feature, around the baseline's centres; those not logged lack."""
        if self.parts:
            return self.parts[WHOLE]
        if self.window is None:
            return {}
        source = f"(SELECT * FROM {scan(self.store, self.window)} WHERE status < {FAILED_STATUS} AND NOT again)"
        with connect() as connection:
            return log_profiles(connection, source, self.baseline_profiles)

    @cached_property
    def parts(self) -> Parts:
        """The profiles of all answered rows by segment; WHOLE is all."""
        file = self._published(PROFILES_FILE)
        return unflat(read_profiles(file)) if file else {}

    @cached_property
    def baseline_parts(self) -> Parts:
        """The profiles of the baseline by segment; of a model's own, those of its sample."""
        file = self._published(BASELINE_PROFILES_FILE)
        return unflat(read_profiles(file)) if file else {}

    @cached_property
    def segments(self) -> Segments:
        """The segments of the window: what they are is said by what the version was trained on, else by the window."""
        features = self.config.segments
        if not features:
            return Segments()
        watched = self.config.data == "predictions"
        like = model_profiles(self.store, self.served.model, self.signature) if watched else self.profiles
        return Segments.of(features, like)

    def _published(self, name: str) -> Path | None:
        """Give a file that the window was published with, where it has it."""
        if self.profile is None:
            return None
        content = self.store.open(self.profile)
        return content.folder / name if name in content.manifest["files"] else None
