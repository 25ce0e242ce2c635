"""How two versions differ: the distance of what they predict, and the share of rows that both answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_SMALLEST_SPREAD = 0.001
_MOST_VALUES = 100_000
_SAME = 1e-6
_ANSWERED = "status < 500 AND prediction IS NOT NULL"


def drift(connection: duckdb.DuckDBPyConnection, *, numeric: bool) -> float | None:
    """Give the distance between the predictions of the tables `candidate` and `live`; None where one has none.

    As in the monitor: numbers by the Wasserstein distance over the spread of the live version's, classes by the
    Jensen-Shannon distance.
    """
    return _wasserstein(connection) if numeric else _jensen_shannon(connection)


def agreement(connection: duckdb.DuckDBPyConnection, *, tolerance: float | None) -> dict[str, float | None]:
    """Give the share of rows that the shadow answered alike, and nearly alike; None where nothing was compared.

    Numbers are equal within a millionth of their size and near within `tolerance` of it; classes are equal or not.
    """
    equal, near = "c.prediction = l.prediction", "c.prediction = l.prediction"
    if tolerance is not None:
        one, other = "c.prediction::DOUBLE", "l.prediction::DOUBLE"
        equal, near = (f"abs({one} - {other}) <= {share} * abs({other})" for share in (_SAME, tolerance))
    row = connection.execute(
        f"SELECT avg(({equal})::INTEGER), avg(({near})::INTEGER) FROM "
        f"(SELECT * FROM candidate WHERE {_ANSWERED}) c JOIN (SELECT * FROM live WHERE {_ANSWERED}) l "
        "USING (request_id, ts, row)"
    ).fetchone()
    return dict(zip(("agreement", "near_agreement"), row or (None, None), strict=True))


def _jensen_shannon(connection: duckdb.DuckDBPyConnection) -> float | None:
    from scipy.spatial.distance import jensenshannon

    rows = connection.execute(
        "SELECT coalesce(c.n, 0), coalesce(l.n, 0) FROM "
        f"(SELECT prediction, count(*) AS n FROM candidate WHERE {_ANSWERED} GROUP BY 1) c FULL JOIN "
        f"(SELECT prediction, count(*) AS n FROM live WHERE {_ANSWERED} GROUP BY 1) l USING (prediction)"
    ).fetchall()
    ours, theirs = ([row[side] for row in rows] for side in (0, 1))
    if not sum(ours) or not sum(theirs):
        return None
    return float(jensenshannon(theirs, ours))


def _wasserstein(connection: duckdb.DuckDBPyConnection) -> float | None:
    from scipy.stats import wasserstein_distance

    ours, theirs = (
        connection.execute(
            f"SELECT prediction::DOUBLE AS value FROM {table} WHERE {_ANSWERED} "
            f"ORDER BY hash(request_id), row LIMIT {_MOST_VALUES}"
        ).fetchnumpy()["value"]
        for table in ("candidate", "live")
    )
    if not len(ours) or not len(theirs):
        return None
    return float(wasserstein_distance(theirs, ours) / max(float(theirs.std()), _SMALLEST_SPREAD))
