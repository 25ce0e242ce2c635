"""Rules that a profile suggests: what holds today, with some room, for people to look over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_provider.runtime.profile import Profile

MOST_ALLOWED = 10
ROOM = 0.1
LEAST_MISSING = 0.01
_TYPES = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "float",
    "FLOAT": "float",
    "DECIMAL": "float",
}


def propose_rules(profile: Profile) -> dict[str, Any]:
    """Give the keys `columns` and `rules` of a validate phase.

    Ranges get a tenth of their width on each side, shares of missing values twice what they are, at least 1 %; a
    column of few values may only hold those; half the rows must be there.
    """
    rows = profile["rows"]
    columns = {column["name"]: _column(column, rows) for column in profile["columns"]}
    rules: list[Any] = [f"row_count >= {max(rows // 2, 1)}"]
    for column in profile["columns"]:
        share = column["missing"] / rows if rows else 0.0
        limit = max(2 * share, LEAST_MISSING)
        if share and limit < 1 and column["name"].isidentifier():
            rules.append(f"columns.{column['name']}.null_share <= {limit:.2g}")
    return {"columns": {name: rule for name, rule in columns.items() if rule}, "rules": rules}


def _column(column: dict[str, Any], rows: int) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    kind = _TYPES.get(column["type"], "integer" if "mean" in column else "")
    kind = "timestamp" if column["type"].startswith("TIMESTAMP") else kind
    if kind:
        rule["type"] = kind
    if column["missing"] == 0 and rows:
        rule["nullable"] = False
    if "mean" in column:
        room = (column["maximum"] - column["minimum"]) * ROOM
        low, high = column["minimum"] - room, column["maximum"] + room
        low = 0 if column["minimum"] >= 0 > low else low
        rule |= {"minimum": _rounded(low, kind), "maximum": _rounded(high, kind)}
    elif kind == "string" and 0 < len(column.get("top", [])) <= MOST_ALLOWED:
        values = [value for value, _ in column["top"]]
        if sum(count for _, count in column["top"]) == rows - column["missing"]:
            rule["allowed"] = sorted(values)
    return rule


def _rounded(value: float, kind: str) -> float:
    return round(value) if kind == "integer" else float(f"{value:.4g}")
