"""Ingest from a real PostgreSQL: types kept, bounded batches, only what is new, errors without passwords."""

from __future__ import annotations

import json

import pytest

from mlops_dag_factory.spec import IngestSpec
from mlops_provider.exceptions import ConfigError, SourceUnavailableError
from mlops_provider.hooks.database import DatabaseHook
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.documents import read_document


def ask(bench, postgres, sql="SELECT * FROM sales", run="run-1", url="", **fields):
    spec = IngestSpec(conn_id="shop", sql=sql, **fields)
    return bench.run(spec, run_id=run, connections={"shop": url or postgres})


def test_rows_arrive_with_their_types(bench, postgres, sales):
    frame = read_frame(bench.store, ask(bench, postgres, columns={"price": "float"}).outputs["data"])

    assert len(frame) == 120_000
    assert frame["id"].tolist()[:3] == [1, 2, 3]
    assert frame["price"].iloc[2] == 4.5
    assert str(frame["at"].dtype) == "datetime64[us, UTC]"
    assert frame["day"].dtype.kind == "M"
    assert frame["paid"].tolist()[:2] == [False, True]
    assert frame["note"].notna().sum() == 60_000
    assert frame["never"].isna().all()
    assert json.loads(frame["extra"].iloc[4]) == {"n": 5}
    assert len(frame["key"].iloc[0]) == 36


def test_only_rows_above_the_watermark_are_asked_for(bench, postgres, sales):
    fields = {
        "incremental": "at",
        "sql": "SELECT id, at FROM sales WHERE town LIKE 'town %' AND at::date > '2020-01-01'",
    }
    first = ask(bench, postgres, run="a", **fields)
    with sales.begin() as connection:
        connection.exec_driver_sql("INSERT INTO sales (id, town, at) VALUES (120001, 'town 1', '2026-06-01 10:00+00')")
    second = ask(bench, postgres, run="b", **fields)
    third = ask(bench, postgres, run="c", **fields)

    assert [outcome.metrics["new_rows"] for outcome in (second, third)] == [1.0, 0.0]
    assert second.metrics["rows"] == first.metrics["rows"] + 1
    assert read_frame(bench.store, second.outputs["new"])["id"].tolist() == [120001]
    assert "2026-06-01" in read_document(bench.store, "flow/ingest/ingest").data["watermark"]["value"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM slaes", 'relation "slaes" does not exist'),
        ("SELEC 1", "syntax error"),
        ("SELECT id, id FROM sales", "two columns of one name"),
    ],
)
def test_a_wrong_query_says_what_the_database_said(bench, postgres, sales, sql, message):
    with pytest.raises(Exception, match=message) as error:
        ask(bench, postgres, sql)
    assert not error.value.retryable


def test_a_database_that_is_away_may_be_asked_later_and_no_password_is_told(bench, postgres, sales):
    with pytest.raises(SourceUnavailableError) as error:
        ask(bench, postgres, url=postgres.replace("127.0.0.1", "127.0.0.2"))
    with pytest.raises(SourceUnavailableError) as refused:
        ask(bench, postgres, url=postgres.replace("s3cret", "wr0ng"), run="other")

    assert error.value.retryable
    written = "".join(path.read_text() for path in (bench.root / "store").rglob("*.json"))
    assert "s3cret" not in written + str(error.value)
    assert "wr0ng" not in written + str(refused.value)


def test_a_connection_that_is_not_there_is_named(bench):
    with pytest.raises(ConfigError, match="there is no connection 'shop' here"):
        bench.run(IngestSpec(conn_id="shop", sql="SELECT 1"))


def test_airflow_connections_become_addresses(monkeypatch):
    shop = {"conn_type": "postgres", "login": "ana", "password": "p@ss/1", "host": "db", "port": 5432, "schema": "shop"}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({**shop, "extra": {"sslmode": "require"}}))
    monkeypatch.setenv("AIRFLOW_CONN_FILE", json.dumps({"conn_type": "sqlite", "host": "/data/shop.db"}))

    assert DatabaseHook("shop").url() == "postgresql+psycopg2://ana:p%40ss%2F1@db:5432/shop?sslmode=require"
    assert DatabaseHook("file").url() == "sqlite:////data/shop.db"
