"""Rules of one column as SQL: each condition selects the rows that break the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.sql import FLOATS, INTEGERS, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.spec.data import ColumnRule

_TYPES = {
    "integer": INTEGERS,
    "float": INTEGERS | FLOATS,
    "string": frozenset({"VARCHAR"}),
    "boolean": frozenset({"BOOLEAN"}),
    "timestamp": frozenset({"TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS"}),
    "date": frozenset({"DATE"}),
}


def column_conditions(name: str, rule: ColumnRule, sql_type: str) -> Iterator[tuple[str, str, str]]:
    """Give (title, severity, SQL) for each rule of a column but uniqueness."""
    column = identifier(name)
    if rule.type is not None:
        fits = sql_type in _TYPES[rule.type]
        yield f"type {rule.type} (it is {sql_type.lower()})", rule.severity, "false" if fits else "true"
    if not rule.nullable:
        yield "not null", rule.severity, f"{column} IS NULL"
    if rule.minimum is not None:
        yield f"at least {rule.minimum}", rule.severity, f"{column} < {_value(rule.minimum)}"
    if rule.maximum is not None:
        yield f"at most {rule.maximum}", rule.severity, f"{column} > {_value(rule.maximum)}"
    if rule.allowed is not None:
        values = [value for value in rule.allowed if value is not None]  # 'nullable' speaks of missing values
        allowed = f"{column} NOT IN ({', '.join(map(_value, values))})" if values else f"{column} IS NOT NULL"
        yield f"one of {', '.join(map(str, rule.allowed))}", rule.severity, allowed
    if rule.pattern is not None:
        matches = f"regexp_full_match({column}::VARCHAR, {literal(rule.pattern)})"
        yield f"matches {rule.pattern}", rule.severity, f"NOT {matches}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else literal(str(value))
