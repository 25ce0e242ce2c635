"""The profiles that a look compares: of the baseline, stored with the model, and of every row of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.columns.files import read_profiles
from mlops_provider.runtime.columns.kinds import kind_of, prediction_kind
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.predictions import FEATURE_PREFIX
from mlops_provider.runtime.sql import literal
from mlops_provider.runtime.table import connect
from mlops_provider.store.models import BASELINE_FILE, COLUMNS_FILE, PREDICTION_COLUMN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.columns.profile import ColumnProfile, Kind
    from mlops_provider.store.models import Signature
    from mlops_provider.store.store import Store

PREDICTION = "prediction (what the model answers)"


def model_profiles(store: Store, model: ModelRef, signature: Signature) -> dict[str, ColumnProfile]:
    """Give the profiles of what a model was trained on, and of its answers; of an old model those of its sample."""
    folder = store.open(model).folder
    if (folder / COLUMNS_FILE).exists():
        found = read_profiles(folder / COLUMNS_FILE)
    else:
        kinds: dict[str, Kind | None] = {feature.name: kind_of(feature, 0) for feature in signature.features}
        kinds[PREDICTION_COLUMN] = prediction_kind(signature)
        wanted = {name: kind for name, kind in kinds.items() if kind}
        with connect() as connection:
            found = profile_columns(connection, f"read_parquet({literal(str(folder / BASELINE_FILE))})", wanted)
    return {PREDICTION if name == PREDICTION_COLUMN else name: profile for name, profile in found.items()}


def log_profiles(
    connection: duckdb.DuckDBPyConnection, source: str, like: Mapping[str, ColumnProfile]
) -> dict[str, ColumnProfile]:
    """Profile answered rows of the prediction log (SQL) around the centres of a baseline; columns not logged lack."""
    names = {name: "prediction" if name == PREDICTION else f"{FEATURE_PREFIX}{name}" for name in like}
    kinds = {logged: like[name].kind for name, logged in names.items()}
    centres = {logged: like[name].centre for name, logged in names.items()}
    found = profile_columns(connection, source, kinds, centres)
    return {name: found[logged] for name, logged in names.items() if logged in found}
