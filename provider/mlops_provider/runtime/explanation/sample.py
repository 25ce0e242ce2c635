"""The rows that are explained: all, or a bounded sample that is the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.sql import identifier
from mlops_provider.runtime.table import connect, read_frame, scan
from mlops_provider.runtime.view import ROW, Rule
from mlops_provider.store.frame import to_frame

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.refs import DatasetRef
    from mlops_provider.store.models import Signature
    from mlops_provider.store.store import Store


def sample_rows(store: Store, data: DatasetRef, signature: Signature, most: int, seed: int) -> pd.DataFrame:
    """Read at most so many rows, in their order, without ever holding the others.

    Of a ranking whole queries are taken (the last may exceed `most`), of a forecast the latest rows.
    """
    if data.rows <= most:
        return read_frame(store, data)
    shuffled = Rule(number="random", ranges=(), seed=seed).sql_number()[0]
    rows = scan(store, data, numbered=True)
    if signature.query:
        query = identifier(signature.query)
        counted = f"SELECT {query}, count(*) AS n, min({shuffled}) AS place FROM {rows} GROUP BY ALL"
        summed = f"SELECT {query}, sum(n) OVER (ORDER BY place) - n AS before FROM ({counted})"
        chosen = (
            f"SELECT * FROM {rows} SEMI JOIN (SELECT {query} FROM ({summed}) WHERE before < {most}) USING ({query})"
        )
    else:
        latest = identifier(signature.timestamp) if signature.timestamp else ROW
        order = f"{latest} DESC" if signature.task == "forecasting" else shuffled
        chosen = f"SELECT * FROM {rows} ORDER BY {order} LIMIT {most}"
    with connect() as connection:
        return to_frame(connection.sql(f"SELECT * EXCLUDE ({ROW}) FROM ({chosen}) ORDER BY {ROW}").to_arrow_table())
