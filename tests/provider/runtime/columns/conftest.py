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
