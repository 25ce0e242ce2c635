"""What a connection says of a Prometheus server, and that the monitor's check is given it."""

from __future__ import annotations

import json

import pytest

from mlops_dag_factory.compiler import compile_all
from mlops_dag_factory.reading import read_text
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.hooks.prometheus import PrometheusHook

WORKFLOW = """
workflow: watched
phases: {rows: {type: ingest, source: a.csv}}
monitor: {checks: {service: ["saturation < 1"]}, service: {prometheus: numbers}}
"""


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ({"host": "prom", "port": 9090}, {"url": "http://prom:9090"}),
        ({"host": "prom", "schema": "https", "extra": {"path": "/prom"}}, {"url": "https://prom/prom"}),
        ({"host": "https://prom.example.com", "password": "t"}, {"url": "https://prom.example.com", "token": "t"}),
        ({"host": "prom", "login": "ana", "password": "p"}, {"url": "http://prom", "user": "ana", "password": "p"}),
    ],
)
def test_a_connection_gives_url_and_login(monkeypatch, connection, address):
    monkeypatch.setenv("AIRFLOW_CONN_NUMBERS", json.dumps({"conn_type": "http", **connection}))

    assert json.loads(PrometheusHook("numbers").address()) == address


def test_the_check_gets_the_address_that_its_monitor_names_and_no_other(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_NUMBERS", json.dumps({"conn_type": "http", "host": "prom"}))
    [monitor] = [dag for dag in compile_all(read_text(WORKFLOW)) if dag.dag_id.endswith(".monitor")]
    check = monitor.get_task("check")

    given = check.connections(MonitorSpec.model_validate(check.config))

    assert json.loads(given["numbers"]) == {"url": "http://prom"}
    assert check.connections(MonitorSpec(checks={"data_drift": {}})) == {}
