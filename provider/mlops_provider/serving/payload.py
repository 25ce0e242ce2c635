"""Requests: JSON bodies in MLflow's and the Open Inference Protocol's forms become one table, matched by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.store.models import Signature

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells row by row, in the order of `names`."""

    names: Sequence[str]
    cells: list[list[Any]]


def parse_invocation(body: Any, signature: Signature) -> Rows:
    """Read a body of `/invocations`: one of dataframe_split, dataframe_records, instances, inputs.

    Rows that are plain lists without names must hold the features in the signature's order.
    """
    if not isinstance(body, dict):
        raise RequestError("the body is not a JSON object", hint=f"it has one of: {', '.join(FORMS)}")
    given = [form for form in FORMS if form in body]
    if len(given) != 1:
        found = ", ".join(map(str, body)) or "nothing"
        raise RequestError(f"the body has {found}", hint=f"give exactly one of: {', '.join(FORMS)}")
    value = body[given[0]]
    if given[0] == "dataframe_split":
        return _split(value)
    if given[0] == "inputs" and isinstance(value, dict):
        return from_columns(value)
    if not isinstance(value, list):
        raise RequestError(f"'{given[0]}' is not a list of rows")
    if value and isinstance(value[0], dict):
        return _records(value)
    return _positional(value, signature)


def parse_inference(body: Any, signature: Signature) -> Rows:
    """Read a body of the Open Inference Protocol: one tensor per feature, or one tensor of n x features."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise RequestError("the body has no list 'inputs' of tensors")
    for tensor in inputs:
        if not isinstance(tensor, dict) or not {"name", "shape", "data"} <= tensor.keys():
            raise RequestError("a tensor needs name, shape, datatype and data")
    width = len(signature.features)
    first = inputs[0]
    if len(inputs) == 1 and len(first["shape"]) == 2 and first["name"] not in signature.names():  # noqa: PLR2004 (n x f)
        flat = _flat(first["data"])
        if first["shape"][1] != width or len(flat) != first["shape"][0] * width:
            raise RequestError(f"tensor '{first['name']}' has shape {first['shape']}, expected [n, {width}]")
        return Rows(signature.names(), [flat[i : i + width] for i in range(0, len(flat), width)])
    return from_columns({tensor["name"]: _flat(tensor["data"]) for tensor in inputs})


def from_columns(columns: dict[str, Any]) -> Rows:
    """Turn columns into rows."""
    if not all(isinstance(column, list) for column in columns.values()):
        raise RequestError("every column must be a list of values")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(column)}" for name, column in list(columns.items())[:5])
        raise RequestError(f"columns differ in length ({shown})")
    return Rows(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])


def _split(value: Any) -> Rows:
    if not isinstance(value, dict) or not {"columns", "data"} <= value.keys():
        raise RequestError("'dataframe_split' needs 'columns' and 'data'")
    names, data = value["columns"], value["data"]
    if not isinstance(names, list) or not isinstance(data, list):
        raise RequestError("'dataframe_split' needs lists 'columns' and 'data'")
    for i, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(names):
            count = len(row) if isinstance(row, list) else "no list of"
            raise RequestError(f"row {i} has {count} values for {len(names)} columns")
    return Rows([str(name) for name in names], data)


def _records(records: list[Any]) -> Rows:
    names = list(records[0])
    rows = []
    for i, record in enumerate(records):
        if not isinstance(record, dict) or record.keys() != records[0].keys():
            raise RequestError(f"record {i} has other columns than the first")
        rows.append([record[name] for name in names])
    return Rows(names, rows)


def _positional(rows: list[Any], signature: Signature) -> Rows:
    width = len(signature.features)
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            count = len(row) if isinstance(row, list) else "no list of"
            raise RequestError(
                f"row {i} has {count} values, the model takes {width}", hint="send names with the values"
            )
    return Rows(signature.names(), rows)


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise RequestError("a tensor's 'data' is not a list")
    if data and isinstance(data[0], list):
        return [item for row in data for item in _flat(row)]
    return data
