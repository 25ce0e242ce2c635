"""What Prometheus hears of services and monitors, and that the dashboard asks for nothing that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from mlops_provider.runtime.monitor.service.exposition import exposition
from mlops_provider.serving.telemetry import Telemetry

DASHBOARD = Path(__file__).resolve().parents[4] / "docs" / "dashboards" / "service.json"


def samples(text):
    families = text_string_to_metric_families(text.decode())
    return {(sample.name, *sample.labels.values()): sample.value for one in families for sample in one.samples}


def expressions():
    board = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [note["expr"] for note in board["annotations"]["list"]]
    return asked + [one["definition"] for one in board["templating"]["list"] if "definition" in one]


def test_prometheus_hears_the_last_check_and_who_answers(digits):
    digits.log(digits.rows)
    window, check, spec = digits.look(checks={"data_drift": {}, "service": ["error_rate <= 0.1"]})
    digits.phase("decide", spec, {"report": check.outputs["report"], **window.outputs})

    heard = samples(exposition(digits.bench.store))

    assert heard["mlops_service_weight", "flow/production", "1"] == 100
    assert heard["mlops_monitor_status", "flow/production", check.verdict.status] == 1
    assert heard["mlops_monitor_metric", "error_rate", "flow/production"] == check.metrics["error_rate"]
    assert heard["mlops_monitor_breach", "flow/production"] == float(check.verdict.status == "blocked")


def test_a_damaged_history_is_said_and_hides_nothing_else(digits):
    folder = digits.bench.root / "store/flow/monitor/production/decisions"
    folder.mkdir(parents=True)
    (folder / "0000000001.json").write_text("{")

    heard = samples(exposition(digits.bench.store))

    assert heard["mlops_service_unreadable", "flow/production"] == 1
    assert heard["mlops_service_weight", "flow/production", "1"] == 100


def test_every_query_of_the_dashboard_names_metrics_that_are_exposed(digits):
    text = (Telemetry().text() + exposition(digits.bench.store)).decode()
    exposed = set(re.findall(r"^# TYPE (\w+)", text, flags=re.MULTILINE))

    asked = {name for query in expressions() for name in re.findall(r"\b(?:mlops|process)_\w+", query)}

    assert len(asked) > 15
    assert {re.sub("_bucket$", "", name) for name in asked} <= exposed


def test_panels_do_not_lie_on_each_other_and_each_says_what_it_shows():
    panels = json.loads(DASHBOARD.read_text())["panels"]

    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert all(panel["description"] for panel in panels)
