"""What changed between two datasets: schema, counts, missing values, distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.profile import profile

if TYPE_CHECKING:
    import duckdb

    from mlops_provider.runtime.profile import Profile

DataDiff = dict[str, Any]
"""`before` and `after`: profiles; `added`, `removed`: columns; `retyped`: column -> [type, type]; `columns`: column ->
what moved (missing share, mean in deviations, new and gone values); `score`: column -> drift score."""


def compare_profiles(before: Profile, after: Profile) -> DataDiff:
    """Compare two profiles column by column; distributions are compared over the bins of the first."""
    old, new = ({column["name"]: column for column in side["columns"]} for side in (before, after))
    both = [name for name in old if name in new]
    return {
        "before": before,
        "after": after,
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "retyped": {
            name: [old[name]["type"], new[name]["type"]] for name in both if old[name]["type"] != new[name]["type"]
        },
        "columns": {
            name: moved for name in both if (moved := _moved(old[name], new[name], before["rows"], after["rows"]))
        },
    }


def diff_datasets(connection: duckdb.DuckDBPyConnection, before: str, after: str) -> DataDiff:
    """Profile two SQL sources and compare them."""
    return compare_profiles(profile(connection, before), profile(connection, after))


def _moved(old: dict[str, Any], new: dict[str, Any], rows: int, new_rows: int) -> dict[str, Any]:
    """Give what moved by more than a trifle."""
    found: dict[str, Any] = {}
    shares = old["missing"] / max(rows, 1), new["missing"] / max(new_rows, 1)
    if abs(shares[0] - shares[1]) >= 0.01:  # noqa: PLR2004 (one row in a hundred)
        found["missing_share"] = list(shares)
    if "mean" in old and "mean" in new:
        spread = old.get("deviation") or 1.0
        if abs(shift := (new["mean"] - old["mean"]) / spread) >= 0.1:  # noqa: PLR2004 (a tenth of the deviation)
            found["mean"] = [old["mean"], new["mean"]]
            found["shift"] = shift
    elif "top" in old and "top" in new:
        known, now = dict(old["top"]), dict(new["top"])
        share = sum(abs(known.get(v, 0) / max(rows, 1) - now.get(v, 0) / max(new_rows, 1)) for v in {*known, *now}) / 2
        if share >= 0.05:  # noqa: PLR2004 (one row in twenty changed its value)
            found["moved_share"] = share
            found["new_values"] = sorted(set(now) - set(known))
            found["gone_values"] = sorted(set(known) - set(now))
    return found
