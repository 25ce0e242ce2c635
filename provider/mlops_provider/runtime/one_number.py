"""One number that the SQL of a workflow file computes from what it is shown."""

from __future__ import annotations

import math
from threading import Timer
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.sql import closed, said

if TYPE_CHECKING:
    import duckdb

SECONDS = 600.0
"""How long a query may take."""


def one_number(connection: duckdb.DuckDBPyConnection, sql: str, what: str, *, seconds: float = SECONDS) -> float | None:
    """Run a query that gives one number; None where it is null. The connection is sealed already.

    DataError where it fails, takes too long, or gives something else; `what` names it there, as "metric 'profit'".
    """
    import duckdb

    timer = Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        rows = connection.execute(f"SELECT * FROM ({closed(sql)})").fetchmany(2)
    except duckdb.InterruptException as err:
        raise DataError(f"the SQL of {what} was ended after {seconds:g} seconds", hint="make it faster") from err
    except duckdb.Error as err:
        raise DataError(f"the SQL of {what} failed: {said(err)}") from err
    finally:
        timer.cancel()
    if len(rows) != 1 or len(rows[0]) != 1:
        columns = f" of {len(rows[0])} columns" if rows and len(rows[0]) != 1 else ""
        raise DataError(f"the SQL of {what} gives {len(rows)} rows{columns}", hint="it must give one number")
    value = rows[0][0]
    return None if value is None else _number(value, what)


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as err:
        raise DataError(f"the SQL of {what} gives {value!r}", hint="it must give one number") from err
    if not math.isfinite(number):
        raise DataError(f"the SQL of {what} gives {number}", hint="it must give a finite number")
    return number
