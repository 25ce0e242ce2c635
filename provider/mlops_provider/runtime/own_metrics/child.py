"""The process in which a metric of the workflow's own is measured: `python -m …own_metrics.child FOLDER`.

It reads request.json and the rows, and writes value.json (the value of each model, or what went wrong), then
draws.json (values on resampled rows). It ends with the process that started it.
"""

from __future__ import annotations

import ctypes
import json
import math
import numbers
import signal
import sys
import traceback
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.imports import import_allowed
from mlops_provider.runtime.own_metrics.rows import DRAWS, VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

_PR_SET_PDEATHSIG = 1
_FRAMES = 10


class WrongValueError(Exception):
    """The metric gave something that is not one finite number."""


def main(folder: Path) -> None:
    """Measure each model, then the draws."""
    import pandas as pd

    request = json.loads((folder / "request.json").read_text())
    frames = [pd.read_parquet(folder / f"rows-{i}.parquet") for i in range(request["models"])]
    try:
        metric = _function(request) if request["python"] else _query(request)
        values = [_number(metric(frame)) for frame in frames]
    except WrongValueError as err:
        _write(folder / VALUE, {"wrong": str(err)})
    except MlopsError as err:
        _write(folder / VALUE, {"config": err.message, "hint": err.hint})
    except SystemExit as err:
        _write(folder / VALUE, {"raised": f"it ended the process with sys.exit({err.code})"})
    except BaseException as err:  # noqa: BLE001 (code of the workflow raises what it likes)
        _write(folder / VALUE, {"raised": _told(err)})
    else:
        _write(folder / VALUE, {"values": values})
        _write(folder / DRAWS, {"draws": _draws(folder, request, metric, frames)})


def _draws(
    folder: Path, request: dict[str, Any], metric: Callable[[pd.DataFrame], Any], frames: list[pd.DataFrame]
) -> list[list[float | None]]:
    """Measure resampled rows, the same for each model; None where the metric gives no number on them."""
    import numpy as np

    from mlops_provider.runtime.resampling import row_draws

    with np.load(folder / "units.npz") as arrays:
        units = dict(arrays)
    found: list[list[float | None]] = [[] for _ in frames]
    for drawn in row_draws(len(frames[0]), request["draws"], season=request["season"], **units):
        for values, frame in zip(found, frames, strict=True):
            try:
                values.append(_number(metric(frame.iloc[drawn].reset_index(drop=True))))
            except Exception:  # noqa: BLE001 (a draw may lack what the metric needs)
                values.append(None)
    return found


def _function(request: dict[str, Any]) -> Callable[[pd.DataFrame], Any]:
    import inspect

    from mlops_provider.exceptions import ConfigError
    from mlops_provider.runtime.functions import given_as

    function = import_allowed(request["python"], request["allowed"])
    if not callable(function):
        raise ConfigError(f"'{request['python']}' is {type(function).__name__}, not a function")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise ConfigError(f"'{request['python']}' takes no rows", hint="give it one parameter")
    return lambda frame: function(given_as(frame, parameters[0].annotation))


def _query(request: dict[str, Any]) -> Callable[[pd.DataFrame], Any]:
    import duckdb
    import pyarrow as pa

    from mlops_provider.exceptions import ConfigError
    from mlops_provider.runtime.sql import closed, said
    from mlops_provider.runtime.table import connect, seal

    def run(frame: pd.DataFrame) -> Any:
        with connect() as connection:
            seal(connection)
            connection.register("predictions", pa.Table.from_pandas(frame, preserve_index=False))
            try:
                rows = connection.execute(f"SELECT * FROM ({closed(request['sql'])}) LIMIT 2").fetchall()
            except duckdb.Error as err:
                raise ConfigError(f"the SQL failed: {said(err)}") from err
        if len(rows) != 1 or len(rows[0]) != 1:
            some = "more rows than one" if len(rows) > 1 else "no row" if not rows else f"{len(rows[0])} columns"
            raise WrongValueError(f"gave {some}, not one number")
        return rows[0][0]

    return run


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real | Decimal):
        raise WrongValueError(f"gave {'NULL or None' if value is None else type(value).__name__}, not a number")
    if not math.isfinite(value):
        raise WrongValueError(f"gave {float(value)}, which is not finite")
    return float(value)


def _told(err: BaseException) -> str:
    """Give the end of a traceback, without the frames of this file."""
    found = traceback.TracebackException.from_exception(err)
    found.stack = traceback.StackSummary.from_list([frame for frame in found.stack if frame.filename != __file__])
    del found.stack[:-_FRAMES]
    return "".join(found.format()).rstrip()


def _write(file: Path, content: dict[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(file)


if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    main(Path(sys.argv[1]))
