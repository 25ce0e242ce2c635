from __future__ import annotations

import pytest

from mlops_dag_factory.checks import check
from mlops_dag_factory.checks.schedules import is_cron, is_timezone
from mlops_dag_factory.checks.secrets import check_data
from mlops_dag_factory.spec import Workflow

INGEST = {"type": "ingest", "source": "a.csv"}
TRAIN = {"type": "train", "target": "y", "estimator": "sklearn.svm.SVC"}
SPLIT = {"type": "split", "data": "rows"}


def codes(phases, **top):
    workflow = Workflow.model_validate({"workflow": "w", "phases": phases, **top})
    return {(finding.code, finding.path) for finding in check(workflow)}


@pytest.mark.parametrize(
    "text", ["0 3 * * 1", "*/30 * * * *", "@hourly", "@daily", "0 9-17 * * MON-FRI", "0 0 1,15 * *"]
)
def test_cron_expressions_that_airflow_takes(text):
    assert is_cron(text)


@pytest.mark.parametrize(
    "text", ["", "@hourli", "@reboot", "0 3 * *", "60 * * * *", "* * * * * *", "every day", "a b c d e"]
)
def test_cron_expressions_that_mean_nothing(text):
    assert not is_cron(text)


@pytest.mark.parametrize(
    ("name", "known"), [("UTC", True), ("Europe/Berlin", True), ("Mars/Base", False), ("", False), ("../etc", False)]
)
def test_time_zones(name, known):
    assert is_timezone(name) is known


def test_every_cycle_is_named_once():
    phases = {
        "a": {"type": "transform", "data": "b", "sql": "SELECT 1"},
        "b": {"type": "transform", "data": "a", "sql": "SELECT 1"},
        "c": {"type": "transform", "data": "d", "sql": "SELECT 1"},
        "d": {"type": "transform", "data": "c", "sql": "SELECT 1"},
        "e": {**INGEST, "after": "a"},
    }

    assert codes(phases) == {("cycle", "phases.a"), ("cycle", "phases.c")}


def test_training_on_the_train_part_is_no_leak_even_through_transforms():
    phases = {
        "rows": INGEST,
        "parts": SPLIT,
        "clean": {"type": "transform", "data": "parts.train", "sql": "SELECT * FROM data"},
        "clean_test": {"type": "transform", "data": "parts.test", "sql": "SELECT * FROM data"},
        "model": {**TRAIN, "data": "clean"},
        "quality": {"type": "evaluate", "model": "model", "data": "clean_test"},
    }

    assert codes(phases) == set()


def test_a_leak_is_seen_through_transforms_and_checks():
    phases = {
        "rows": INGEST,
        "parts": SPLIT,
        "both": {"type": "transform", "data": ["parts.train", "parts.test"], "sql": "SELECT 1"},
        "checked": {"type": "validate", "data": "both"},
        "model": {**TRAIN, "data": "checked"},
    }

    assert codes(phases) == {("leak", "phases.model.data")}


@pytest.mark.parametrize(
    ("trained", "judged"), [("rows", "parts.test"), ("parts.train", "rows"), ("parts.train", "parts.train")]
)
def test_an_evaluation_on_rows_that_the_model_saw_is_a_warning(trained, judged):
    phases = {
        "rows": INGEST,
        "parts": SPLIT,
        "model": {**TRAIN, "data": trained},
        "version": {"type": "register", "model": "model"},
        "quality": {"type": "evaluate", "model": "version", "data": judged},
    }

    assert codes(phases) == {("seen-rows", "phases.quality.data")}


def test_the_optional_data_of_a_service_test_is_a_reference_too():
    phases = {
        "rows": INGEST,
        "parts": SPLIT,
        "model": {**TRAIN, "data": "parts.train"},
        "quality": {"type": "evaluate", "model": "model", "data": "parts.test"},
        "version": {"type": "register", "model": "model", "after": "quality"},
        "staging": {"type": "deploy", "model": "version"},
        "test": {"type": "test_service", "service": "staging", "data": "parts.tst"},
    }

    assert codes(phases) == {("reference", "phases.test.data")}


def test_a_parameter_may_be_used_in_a_monitor_or_an_expression():
    phases = {
        "rows": INGEST,
        "checked": {"type": "validate", "data": "rows", "rules": ["row_count >= parameters.least"]},
    }
    monitor = {"checks": {"data_drift": {"share": "{{ params.share }}"}}}
    parameters = {name: {"type": "float", "default": 1} for name in ("least", "share")}

    assert codes(phases, parameters=parameters, monitor=monitor) == {("unserved", "monitor.environment")}


@pytest.mark.parametrize(
    "data",
    [
        {"password": "{{ conn.lake.password }}"},
        {"password": ""},
        {"password": None},
        {"phases": {"rows": {"columns": {"token": "string"}}}},
        {"parameters": {"token": {"type": "string", "description": "The token column"}}},
        {"token_pattern": "[a-z]+"},
        {"tokens": "a"},
        {"source": "s3://bucket/path@1:2"},
        {"source": "https://{{ conn.x.login }}:{{ conn.x.password }}@host/"},
        {"description": "mail me: a@b.c"},
    ],
)
def test_what_is_no_secret(data):
    assert list(check_data(data)) == []


@pytest.mark.parametrize(
    "data",
    [
        {"password": "x"},
        {"DB_PASSWORD": "x"},
        {"a": [{"api_key": "x"}]},
        {"aws_secret_access_key": "x"},
        {"parameters": {"token": {"default": "x"}}},
        {"source": "postgresql://me:pass@host/db"},
        {"env": {"X": "AKIAABCDEFGHIJKLMNOP"}},
        {"key": "-----BEGIN RSA PRIVATE KEY-----"},
    ],
)
def test_what_is_a_secret(data):
    [finding] = check_data(data)

    assert (finding.code, finding.severity) == ("secret", "error")
