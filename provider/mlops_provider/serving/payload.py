"""Requests: JSON bodies in MLflow's and the Open Inference Protocol's forms become rows with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.store.models import Signature

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")

DATATYPES = (
    "BOOL", "BYTES", "FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
)  # fmt: skip
"""What the Open Inference Protocol names; values are judged by the model's own types, whichever is named."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells row by row, every row as long as `names`. The cells themselves are not checked yet."""

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
        found = ", ".join(body) or "nothing"
        raise RequestError(f"the body has {found[:200]}", hint=f"give exactly one of: {', '.join(FORMS)}")
    form, value = given[0], body[given[0]]
    if form == "dataframe_split":
        return _split(value)
    if form == "inputs" and isinstance(value, dict):
        return _from_columns(value)
    if not isinstance(value, list):
        raise RequestError(f"'{form}' is not a list of rows")
    if value and isinstance(value[0], dict):
        return _records(form, value)
    if form == "dataframe_records" and value:
        raise RequestError("'dataframe_records' is not a list of objects")
    return _positional(form, value, signature)


def parse_inference(body: Any, signature: Signature) -> Rows:
    """Read a body of the Open Inference Protocol: one tensor per feature, or one tensor of n x features."""
    tensors = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(tensors, list) or not tensors:
        raise RequestError("the body has no list 'inputs' of tensors")
    columns: dict[str, list[Any]] = {}
    for i, tensor in enumerate(tensors):
        name, shape = _head(i, tensor)
        if name in columns:
            raise RequestError(f"two tensors are named '{name}'")
        columns[name] = _flat(name, shape, tensor["data"])
    names, width = signature.names(), len(signature.features)
    name, data = next(iter(columns.items()))
    if len(tensors) == 1 and len(tensors[0]["shape"]) == 2 and (width > 1 or name not in names):  # noqa: PLR2004 (n x f)
        if tensors[0]["shape"][1] != width:
            raise RequestError(f"tensor '{name}' has shape {tensors[0]['shape']}, the model takes [n, {width}]")
        return Rows(names, [data[i : i + width] for i in range(0, len(data), width)])
    return _from_columns(columns)


def _head(i: int, tensor: Any) -> tuple[str, list[int]]:
    if not isinstance(tensor, dict) or not {"name", "shape", "data"} <= tensor.keys():
        raise RequestError(f"inputs[{i}] needs name, shape, datatype and data")
    name, shape = tensor["name"], tensor["shape"]
    if tensor.get("datatype", "BYTES") not in DATATYPES:
        raise RequestError(f"inputs[{i}]: the datatype is none", hint=f"it is one of: {', '.join(DATATYPES)}")
    if not isinstance(name, str):
        raise RequestError(f"inputs[{i}]: the name is not a text")
    if not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise RequestError(f"tensor '{name}': the shape is not a list of sizes")
    if not 1 <= len(shape) <= 2:  # noqa: PLR2004 (a vector or a matrix)
        raise RequestError(f"tensor '{name}': the shape has {len(shape)} dimensions, one or two are taken")
    return name, shape


def _flat(name: str, shape: list[int], data: Any) -> list[Any]:
    """Give the values of a tensor; they may come flat or nested once."""
    if not isinstance(data, list):
        raise RequestError(f"tensor '{name}': 'data' is not a list")
    if data and isinstance(data[0], list):
        if not all(isinstance(row, list) for row in data):
            raise RequestError(f"tensor '{name}': 'data' mixes lists and values")
        data = [value for row in data for value in row]
    expected = shape[0] * (shape[1] if len(shape) > 1 else 1)
    if len(data) != expected:
        raise RequestError(f"tensor '{name}' has {len(data)} values, its shape {shape} asks for {expected}")
    return list(data)


def _from_columns(columns: dict[str, Any]) -> Rows:
    for name, column in columns.items():
        if not isinstance(column, list):
            raise RequestError(f"column '{name}' is not a list of values")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(column)}" for name, column in list(columns.items())[:5])
        raise RequestError(f"columns differ in length ({shown})")
    return Rows(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])


def _split(value: Any) -> Rows:
    names, data = (value.get("columns"), value.get("data")) if isinstance(value, dict) else (None, None)
    if not isinstance(names, list) or not isinstance(data, list):
        raise RequestError("'dataframe_split' needs the lists 'columns' and 'data'")
    width = len(names)
    for i, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            count = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise RequestError(f"dataframe_split.data[{i}] has {count} for {width} columns")
    return Rows([str(name) for name in names], data)


def _records(form: str, records: list[Any]) -> Rows:
    names = list(records[0])
    rows = []
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise RequestError(f"{form}[{i}] is not an object")
        if record.keys() != records[0].keys():
            other = sorted(record.keys() ^ records[0].keys())
            raise RequestError(f"{form}[{i}] has other columns than {form}[0]: {', '.join(other[:8])}")
        rows.append([record[name] for name in names])
    return Rows(names, rows)


def _positional(form: str, rows: list[Any], signature: Signature) -> Rows:
    width = len(signature.features)
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            count = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise RequestError(f"{form}[{i}] has {count}, the model takes {width}", hint="send names with the values")
    return Rows(signature.names(), rows)
