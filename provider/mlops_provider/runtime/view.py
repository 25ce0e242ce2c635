"""Views: datasets that are rows of other datasets, told apart by a rule instead of being copied.

A view is published like any dataset, but holds `view.json` in place of Parquet files: the datasets that it is made
of, one after another, and the rule that says which of their rows it has.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.store.store import Content

VIEW_FILE = "view.json"
ROW = "mlops_row"
"""Column that holds a row's number while a query runs; counted from 0, a part keeps the numbers of its whole."""
HASH_BITS = 48
_MASK = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers above one and up to another, among the rows of one stratum; None is without a bound.

    A number is a list: one whole number, or the values of the keys as text.
    """

    above: Sequence[int | str] | None = None
    upto: Sequence[int | str] | None = None
    stratum: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows: those whose number lies in one of the ranges.

    `number` is 'row' (the place in the dataset), 'random' (the place, shuffled with `seed`), 'hash' (of `keys`: MD5,
    the same on every machine) or 'key' (the values of `keys` themselves); `types` are the DuckDB types of the keys;
    `stratum` is the column whose values have ranges of their own.
    """

    number: Literal["row", "random", "hash", "key"]
    ranges: tuple[Range, ...]
    keys: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    seed: int = 0
    stratum: str = ""

    def sql_number(self) -> list[str]:
        """Give the SQL of a row's number, in the order in which its parts count."""
        if self.number == "row":
            return [ROW]
        if self.number == "random":
            return [_shuffled(self.seed)]
        if self.number == "key":
            return [identifier(key) for key in self.keys]
        text = " || '\x1f' || ".join([literal(str(self.seed)), *(f"{identifier(key)}::VARCHAR" for key in self.keys)])
        return [f"('0x' || substr(md5({text}), 1, {HASH_BITS // 4}))::BIGINT"]

    def sql_stratum(self) -> str:
        """Give the SQL of a row's stratum, as text."""
        return f"{identifier(self.stratum)}::VARCHAR" if self.stratum else "NULL"

    def condition(self, number: Sequence[str] = (), stratum: str = "") -> str:
        """Give the SQL condition; `number` and `stratum` are SQL that has them already."""
        number, stratum = number or self.sql_number(), stratum or self.sql_stratum()
        parts = []
        for bounds in self.ranges:
            tests = [self._above(number, bounds.above)] if bounds.above is not None else []
            tests += [f"NOT {self._above(number, bounds.upto)}"] if bounds.upto is not None else []
            if self.stratum:
                value = "NULL" if bounds.stratum is None else literal(bounds.stratum)
                tests.append(f"{stratum} IS NOT DISTINCT FROM {value}")
            parts.append(" AND ".join(tests) or "true")
        return f"({' OR '.join(f'({part})' for part in parts) or 'false'})"

    def _above(self, number: Sequence[str], bound: Sequence[int | str]) -> str:
        """Give the SQL of 'comes after', the first part first."""
        kinds = self.types if self.number == "key" else ("BIGINT",)
        values = [f"{literal(str(value))}::{kind}" for value, kind in zip(bound, kinds, strict=True)]
        text = "false"
        for sql, value in reversed(list(zip(number, values, strict=True))):
            text = f"({sql} > {value}" + (")" if text == "false" else f" OR ({sql} = {value} AND {text}))")
        return text


@dataclass(frozen=True, slots=True)
class View:
    """Datasets, one after another, and the rule that picks rows of them (None: all)."""

    of: tuple[DatasetRef, ...]
    rule: Rule | None = None

    def to_json(self, root: str) -> dict[str, Any]:
        """Give the JSON form; places are written relative to the store's root, so that a store can be moved."""
        datasets = [{**ref.to_dict(), "uri": ref.uri.removeprefix(f"{root}/")} for ref in self.of]
        return {"datasets": datasets, "rule": asdict(self.rule) if self.rule else None}

    @classmethod
    def of_content(cls, content: Content, root: str) -> View | None:
        """Read the view that published content is; None where it has rows of its own."""
        if VIEW_FILE not in content.manifest["files"]:
            return None
        value = json.loads((content.folder / VIEW_FILE).read_bytes())
        refs = tuple(
            DatasetRef(uri=f"{root}/{ref['uri']}", digest=ref["digest"], rows=ref["rows"]) for ref in value["datasets"]
        )
        if value["rule"] is None:
            return cls(refs)
        rule = dict(value["rule"])
        ranges = tuple(Range(**bounds) for bounds in rule.pop("ranges"))
        return cls(refs, Rule(ranges=ranges, keys=tuple(rule.pop("keys")), types=tuple(rule.pop("types")), **rule))


def _shuffled(seed: int) -> str:
    """Give the SQL of a row's place, shuffled: the finalizer of MurmurHash3, which gives no number twice below 2^32."""
    number = f"(({ROW}::UBIGINT + {seed * _GOLDEN % (_MASK + 1)}) & {_MASK})"
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        number = f"((xor({number}, {number} >> {shift}) * {factor}) & {_MASK})"
    return f"xor({number}, {number} >> 16)::BIGINT"


def sampled(wanted: int, rows: int) -> str:
    """Give the SQL condition that about `wanted` of so many rows meet, the same ones every time."""
    return f"{_shuffled(0)} < {min(wanted / max(rows, 1), 1) * (_MASK + 1):.0f}"
