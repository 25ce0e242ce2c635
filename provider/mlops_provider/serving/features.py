"""Features: rows with names become what the model was fitted on, matched by name and checked by type."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import RequestError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.serving.payload import Rows
    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]

NUMBERS = frozenset({"float", "integer"})
_TYPES: dict[str, tuple[type, ...]] = {
    "float": (int, float),
    "integer": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "timestamp": (str,),
}
_SHOWN = 8


class Features:
    """The features of one model. null is a missing value; a boolean is no number; infinite numbers are refused."""

    def __init__(self, signature: Signature) -> None:
        self.names = signature.names()
        self.types = [feature.type for feature in signature.features]
        self.numeric = all(kind in NUMBERS for kind in self.types)
        self._row = struct.Struct(f"{len(self.names)}d")

    def read(self, rows: Rows, *, booleans: bool = True) -> Array | pd.DataFrame:
        """Give a matrix of numbers where all features are numbers, else a frame; columns in the model's order.

        `booleans` says that a cell may be one: without, the cells of a matrix need no look one by one.
        """
        if not rows.cells:
            raise RequestError("there are no rows")
        order = self._order(rows.names)
        return self._matrix(rows, order, booleans=booleans) if self.numeric else self._frame(rows, order)

    def frame(self, inputs: Array | pd.DataFrame) -> pd.DataFrame:
        """Give inputs as a frame."""
        import pandas as pd

        return inputs if isinstance(inputs, pd.DataFrame) else pd.DataFrame(inputs, columns=self.names)

    def _order(self, names: Any) -> list[int] | None:
        """Give the places of the features among the request's columns; None when they are in order already."""
        if names == self.names:
            return None
        places = {name: index for index, name in enumerate(names)}
        missing = [name for name in self.names if name not in places]
        unknown = [name for name in places if name not in set(self.names)]
        twice = len(places) < len(names)
        if missing or unknown or twice:
            parts = [f"missing: {_some(missing)}"] if missing else []
            parts += [f"unknown: {_some(unknown)}"] if unknown else []
            parts += ["one stands twice"] if twice else []
            raise RequestError(
                f"the columns are not the model's ({'; '.join(parts)})",
                hint=f"it takes {len(self.names)}: {_some(self.names)}",
            )
        return [places[name] for name in self.names]

    def _matrix(self, rows: Rows, order: list[int] | None, *, booleans: bool) -> Array:
        import numpy as np

        if booleans:
            self._check(rows)
        width = len(self.names)
        matrix: Array = np.frombuffer(self._pack(rows), dtype=np.float64).reshape(-1, width)
        if order is not None:
            matrix = matrix[:, order]
        if np.isinf(matrix).any():
            row, column = (int(i) for i in np.argwhere(np.isinf(matrix))[0])
            raise RequestError(f"row {row}, '{self.names[column]}': the value is infinite")
        return matrix

    def _pack(self, rows: Rows) -> bytearray:
        """Give the cells as doubles, row by row; twice as fast as numpy's way from lists."""
        pack = self._row.pack
        try:
            return bytearray().join([pack(*row) for row in rows.cells])
        except (struct.error, OverflowError):  # missing values, or no numbers
            self._check(rows)
        try:
            return bytearray().join([pack(*[math.nan if cell is None else cell for cell in row]) for row in rows.cells])
        except OverflowError as err:
            raise RequestError(f"a number is too large: {err}") from err

    def _check(self, rows: Rows) -> None:
        types = dict(zip(self.names, self.types, strict=True))
        for i, row in enumerate(rows.cells):
            for name, value in zip(rows.names, row, strict=True):
                _check(i, name, types[name], value)

    def _frame(self, rows: Rows, order: list[int] | None) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        self._check(rows)
        columns: dict[str, Any] = {}
        for name, kind, place in zip(self.names, self.types, order or range(len(self.names)), strict=True):
            values = [row[place] for row in rows.cells]
            if kind in NUMBERS:
                column = np.asarray(values, dtype=np.float64)
                if np.isinf(column).any():
                    raise RequestError(f"row {int(np.isinf(column).argmax())}, '{name}': the value is infinite")
                columns[name] = column
            elif kind == "timestamp":
                columns[name] = _timestamps(name, values)
            else:
                columns[name] = np.asarray([np.nan if value is None else value for value in values], dtype=object)
        return pd.DataFrame(columns)


def _check(row: int, name: str, kind: str, value: Any) -> None:
    wrong = not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")
    if value is not None and wrong:
        what = "a number" if kind in NUMBERS else f"of type {kind}"
        raise RequestError(f"row {row}, '{name}': {str(value)[:60]!r} is not {what}")


def _timestamps(name: str, values: list[Any]) -> Any:
    import pandas as pd

    try:
        return pd.to_datetime(pd.Series(values, dtype="object"), format="ISO8601")
    except (ValueError, TypeError) as err:
        raise RequestError(f"'{name}': not every value is a time in ISO 8601", hint=str(err)[:200]) from err


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
