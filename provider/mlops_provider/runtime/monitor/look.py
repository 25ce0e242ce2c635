"""One look of the monitor: the window, the version that answered in it, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.monitor.profiles import log_profiles, model_profiles
from mlops_provider.runtime.predictions import signature_of
from mlops_provider.runtime.table import read_frame, scan
from mlops_provider.store.models import BASELINE_FILE
from mlops_provider.store.services import service_history

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mlops_dag_factory.spec.monitor import MonitorSpec
    from mlops_provider.refs import DatasetRef
    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.models import Signature
    from mlops_provider.store.services import ServedVersion
    from mlops_provider.store.store import Store

FAILED_STATUS = 400


@dataclass(frozen=True)
class Look:
    """What every check gets: `window` are the rows, `folder` is where the report's files go."""

    config: MonitorSpec
    context: RunContext
    store: Store
    window: DatasetRef
    folder: Path

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows of the window, in the order of time."""
        return read_frame(self.store, self.window)

    @cached_property
    def answered(self) -> pd.DataFrame:
        """The rows that the service answered."""
        rows = self.rows
        return rows[rows["status"] < FAILED_STATUS]

    @cached_property
    def served(self) -> ServedVersion:
        """The version that answered; it may have been replaced since the window was read."""
        version = str(self.rows["version"].iloc[-1])
        environment = self.config.environment
        for state in reversed(service_history(self.store, self.context.workflow, environment)):
            for served in state.versions:
                if served.version == version:
                    return served
        name = f"{self.context.workflow}/{environment}"
        raise DataError(f"{name} has never served version {version}, but it is in the prediction log")

    @cached_property
    def signature(self) -> Signature:
        """What the version takes and gives."""
        return signature_of(self.store, self.served)

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """The rows that the window is compared with: features, and in PREDICTION_COLUMN the predictions."""
        import pandas as pd

        return pd.read_parquet(self.store.open(self.served.model).folder / BASELINE_FILE)

    @cached_property
    def baseline_profiles(self) -> dict[str, ColumnProfile]:
        """The profiles of what the window is compared with, by feature; the predictions' is under PREDICTION."""
        return model_profiles(self.store, self.served.model, self.signature)

    @cached_property
    def profiles(self) -> dict[str, ColumnProfile]:
        """The profiles of all answered rows, by feature, around the baseline's centres; those not logged lack."""
        source = f"(SELECT * FROM {scan(self.store, self.window)} WHERE status < {FAILED_STATUS})"
        return log_profiles(source, self.baseline_profiles)
