"""Cases: what clients get wrong and what data gets wrong, each with what must come back."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.serving.features import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mlops_provider.runtime.service_test.endpoint import Endpoint, Reply

Wanted = Literal["refusal", "same answer", "answer or refusal"]
Kind = Literal["contract", "robustness"]
_LONG_TEXT = 10_000
_DEEP = 500


@dataclass(frozen=True, slots=True)
class Case:
    """A request that is not like the others. 'refusal' is a status of 400 to 499, which says what is wrong."""

    name: str
    kind: Kind
    wanted: Wanted
    body: Any


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case."""

    name: str
    kind: Kind
    wanted: Wanted
    got: str
    passed: bool

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)

    def sentence(self) -> str:
        """Say what came back in place of what was wanted."""
        return f"{self.name}: wanted {self.wanted}, got {self.got}"


def try_cases(endpoint: Endpoint, golden: pd.DataFrame) -> list[Result]:
    """Send every case, made of the first golden row."""
    row = golden.head(1)
    right = endpoint.ask(endpoint.rows(row), count=1)
    found = []
    for case in [*_contract(endpoint, row), *_robustness(endpoint, row)]:
        reply = endpoint.ask(case.body)
        found.append(Result(case.name, case.kind, case.wanted, reply.said(), _passed(case, reply, right)))
    return found


def _passed(case: Case, reply: Reply, right: Reply) -> bool:
    if case.wanted == "refusal":
        return reply.refused
    if case.wanted == "same answer":
        return reply.answered and reply.predictions == right.predictions
    return reply.answered or reply.refused


def _contract(endpoint: Endpoint, row: pd.DataFrame) -> Iterator[Case]:
    names = endpoint.signature.names()
    right = endpoint.rows(row)
    yield Case("features in another order", "contract", "same answer", endpoint.rows(row, names[::-1]))
    bodies: dict[str, Any] = {
        "a feature that is not there": endpoint.rows(row, names[1:]) if len(names) > 1 else {},
        "a feature that the model does not know": endpoint.rows(row.assign(not_a_feature=1), [*names, "not_a_feature"]),
        "no rows": _with_rows(right, []),
        "an empty object": {},
        "a list in place of an object": [1, 2, 3],
        "a row that is too short": _with_rows(right, [[]]),
        "an object in place of a value": _with_value(right, 0, {"not": "a value"}),
        "a list in place of a value": _with_value(right, 0, [1, 2]),
        "an empty body": b"",
        "half a JSON": b'{"dataframe_split": {"columns"',
        "bytes that are no text": b"\xff\xfe\x00\x01",
        f"lists {_DEEP} deep": b"[" * _DEEP + b"]" * _DEEP,
    }
    for name, body in bodies.items():
        yield Case(name, "contract", "refusal", body)


def _robustness(endpoint: Endpoint, row: pd.DataFrame) -> Iterator[Case]:
    right = endpoint.rows(row)
    either: Wanted = "answer or refusal"
    for place, feature in _one_of_each_type(endpoint):
        where = f"'{feature.name}'"
        yield Case(f"{where} missing", "robustness", either, _with_value(right, place, None))
        if feature.type in NUMBERS:
            for value in (0, -1, 1e15, -1e15, 1e308, -1e308, 5e-324, 10**400):
                shown = "1 and 400 zeros" if isinstance(value, int) and value > 1 else f"{value:g}"
                yield Case(f"{where} = {shown}", "robustness", either, _with_value(right, place, value))
            for name, wrong in {"a text": "many", "a truth value": True, "the text of a number": "1"}.items():
                yield Case(f"{where} = {name}", "robustness", "refusal", _with_value(right, place, wrong))
        elif feature.type == "string":
            texts = {
                "an unknown text": "__never_seen__",
                "no letters": "",
                "a long text": "x" * _LONG_TEXT,
                "ž漢字🚲": "ž漢字🚲",
            }
            for name, text in texts.items():
                yield Case(f"{where} = {name}", "robustness", either, _with_value(right, place, text))
            yield Case(f"{where} = a number", "robustness", "refusal", _with_value(right, place, 7))
        else:
            yield Case(f"{where} = a number", "robustness", "refusal", _with_value(right, place, 7))
            yield Case(f"{where} = a text", "robustness", "refusal", _with_value(right, place, "not one"))
    every = [None] * len(endpoint.signature.features)
    yield Case("every value missing", "robustness", either, _with_rows(right, [every]))


def _one_of_each_type(endpoint: Endpoint) -> Iterator[tuple[int, Any]]:
    """Give place and feature of the first feature of each type."""
    seen = set()
    for place, feature in enumerate(endpoint.signature.features):
        if feature.type not in seen:
            seen.add(feature.type)
            yield place, feature


def _with_value(body: dict[str, Any], place: int, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    if "inputs" in changed:
        changed["inputs"][place]["data"] = [value]
    else:
        changed["dataframe_split"]["data"][0][place] = value
    return changed


def _with_rows(body: dict[str, Any], rows: list[list[Any]]) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    if "inputs" in changed:
        for place, tensor in enumerate(changed["inputs"]):
            tensor["data"] = [row[place] for row in rows if len(row) > place]
            tensor["shape"] = [len(rows)]
    else:
        changed["dataframe_split"]["data"] = rows
    return changed
