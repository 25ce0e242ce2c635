"""Columns profiled from pandas or from files."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.table import connect


@pytest.fixture(scope="session")
def profiled():
    """Give a function that profiles one column of values, around the centre of another profile where one is given."""

    def profiled(values, kind="number", like=None):
        frame = pd.DataFrame({"x": values})
        centres = None if like is None else {"x": like.centre}
        with connect() as connection:
            connection.register("given", frame)
            return profile_columns(connection, "given", {"x": kind}, centres)["x"]

    return profiled


@pytest.fixture(scope="session")
def evidently():
    """Give a function that scores two columns as Evidently does."""
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

    tests = {
        "wasserstein": stattests.wasserstein_stat_test,
        "jensenshannon": stattests.jensenshannon_stat_test,
        "psi": stattests.psi_stat_test,
        "hellinger": stattests.hellinger_stat_test,
        "ks": stattests.ks_stat_test,
        "chisquare": stattests.chi_stat_test,
    }

    def evidently(method, before, after, *, numeric):
        kind = ColumnType.Numerical if numeric else ColumnType.Categorical
        return tests[method](before.dropna(), after.dropna(), kind, 0.1).drift_score

    return evidently
