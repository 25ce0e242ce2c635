"""Labels that arrive late: which rows performance is judged on, by key and by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.monitor.about import read_about
from mlops_provider.runtime.table import read_frame

LABELS = {"source": "labels", "column": "target"}
GATE = {"performance": ["accuracy >= 0.9"]}


@pytest.fixture
def digits(bench, watched):
    """The same service with a model that is fitted at once."""
    bench.tracking_uri = ""
    return watched("sklearn:digits", "sklearn.discriminant_analysis.LinearDiscriminantAnalysis")


def labelled(service, outcome):
    """Give the rows that performance is judged on."""
    ref = outcome.outputs.get("due")
    return read_frame(service.bench.store, ref) if ref else None


def about(service, outcome):
    return read_about(service.bench.store.open(outcome.outputs["profile"]).folder)


def test_labels_that_take_longer_than_the_window_are_judged_on_the_latest_window_that_is_due(digits):
    old = digits.log(digits.rows, minutes_ago=60 * 50)
    digits.log(digits.rows.head(150), minutes_ago=5)
    digits.deliver(old, digits.rows["target"])
    fields = {"labels": {**LABELS, "delay": "48h"}, "window": {"size": "24h"}, "checks": GATE}

    window, check, _ = digits.look(**fields)

    assert (window.metrics["rows"], window.metrics["labelled"], window.metrics["coverage"]) == (150, len(old), 1)
    expected = (digits.model.predict(digits.rows) == digits.rows["target"]).mean()
    assert check.metrics["accuracy"] == pytest.approx(expected)
    assert check.verdict.status == "passed"


def test_labels_that_are_due_are_judged_although_nobody_asks_the_service_any_more(digits):
    old = digits.log(digits.rows, minutes_ago=60 * 50)
    digits.deliver(old, (digits.rows["target"] + 1) % 10)

    fields = {"labels": {**LABELS, "delay": "48h"}, "window": {"size": "24h"}, "checks": GATE}
    window, check, _ = digits.look(**fields)

    assert window.metrics["rows"] == 0
    assert check.verdict.status == "blocked"


def test_early_labels_are_not_judged_before_the_others_are_due(digits):
    ids = digits.log(digits.rows, minutes_ago=30)
    digits.deliver(ids[:200], (digits.rows["target"][:200] + 1) % 10)

    window, check, _ = digits.look(labels={**LABELS, "delay": "1h"}, window={"size": "24h"}, checks=GATE)

    assert (window.metrics["due"], window.metrics["labelled"]) == (0, 0)
    assert check.verdict.status == "vacuous"


def test_performance_is_judged_at_the_stated_coverage(digits):
    ids = digits.log(digits.rows, minutes_ago=5)
    digits.deliver(ids[:150], digits.rows["target"][:150])
    enough = {"labels": {**LABELS, "minimum_coverage": 0.05}, "checks": GATE}

    _, judged, _ = digits.look(**enough)
    assert judged.verdict.status == "passed"

    _, check, _ = digits.look(**{**enough, "labels": {**LABELS, "minimum_coverage": 0.5}})
    assert check.verdict.status == "vacuous"
    [rule] = check.verdict.rules
    assert rule.why == "150 of 539 due labels have arrived (28%); labels.minimum_coverage is 50%"


def test_a_client_that_tried_again_counts_once(digits):
    first = digits.table(digits.rows.head(200), minutes_ago=9)
    digits.write(first)
    digits.write(first.assign(ts=first["ts"] + timedelta(minutes=2)).head(80))
    digits.deliver(first["request_id"], digits.rows["target"][:200])

    window, rows = digits.window(labels=LABELS)

    assert (len(rows), window.metrics["again"], window.metrics["labelled"]) == (280, 80, 200)
    assert set(rows.loc[rows["again"], "ts"]) == set(first["ts"][:80])
    assert labelled(digits, window)["request_id"].is_unique
    assert about(digits, window).answered == 200


def test_an_id_that_is_used_for_something_else_is_no_second_try(digits):
    digits.log(digits.rows.head(50), request_id="always-the-same", minutes_ago=9)

    window, _ = digits.window()

    assert (window.metrics["rows"], window.metrics["again"]) == (50, 0)


@pytest.fixture
def stations(bench, watched, data_folder):
    """A service that predicts rain at three airports, and the weather that it did not know yet."""
    frame = pd.read_csv(data_folder / "nyc_weather.csv", na_values="NA")
    frame = frame[frame["month"] == 1].assign(rain=lambda rows: (rows["precip"] > 0).astype(int))
    frame[["origin", "temp", "humid", "pressure", "rain"]].to_csv(bench.root / "january.csv", index=False)
    return watched("january.csv", target="rain"), frame


BY_TIME = {"source": "labels", "by": "time", "timestamp": "seen", "entity": "origin", "column": "rain"}


def test_an_outcome_is_that_of_the_nearest_prediction_of_its_entity_before_it(stations):
    service, frame = stations
    now = datetime.now(UTC)
    asked = frame.groupby("origin").head(2).sort_values(["origin", "day", "hour"], ignore_index=True)
    at = [now - timedelta(minutes=minutes) for _ in range(3) for minutes in (180, 90)]
    table = service.table(asked, ts=pd.Series(at, dtype="datetime64[us, UTC]"))
    service.write(table)
    folder = service.bench.root / "labels"
    folder.mkdir()
    seen = [("EWR", 185, 1), ("EWR", 170, 0), ("EWR", 100, 1), ("EWR", 60, 1), ("JFK", 120, 1), ("LGA", 5, 1)]
    lines = [f"{origin},{(now - timedelta(minutes=minutes)).isoformat()},{rain}" for origin, minutes, rain in seen]
    (folder / "seen.csv").write_text("origin,seen,rain\n" + "\n".join(lines))

    window, rows = service.window(labels={**BY_TIME, "tolerance": "65m"})

    got = {(row.x_origin, round((now - row.ts).total_seconds() / 60)): row.truth for row in rows.itertuples()}
    nan = {key for key, truth in got.items() if pd.isna(truth)}
    assert {key: truth for key, truth in got.items() if key not in nan} == {
        ("EWR", 180): 0,  # 170 is the first after it; 185 was before it, 100 is too late
        ("EWR", 90): 1,
        ("JFK", 180): 1,
    }
    assert nan == {("JFK", 90), ("LGA", 180), ("LGA", 90)}
    assert window.metrics["labelled"] == 3


def test_of_outcomes_of_one_moment_the_last_line_counts(stations):
    service, frame = stations
    service.write(service.table(frame[frame["origin"] == "EWR"].head(1), minutes_ago=30))
    folder = service.bench.root / "labels"
    folder.mkdir()
    at = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    (folder / "a.csv").write_text(f"origin,seen,rain\nEWR,{at},0\nEWR,{at},1\nJFK,{at},0\n,,\n")

    _, rows = service.window(labels=BY_TIME)

    assert rows["truth"].tolist() == [1]


def test_labels_by_time_name_the_columns_that_they_lack(stations):
    service, frame = stations
    service.log(frame.head(1))
    service.deliver(["r"], [1])

    with pytest.raises(DataError, match="have no column seen, origin, rain"):
        service.window(labels=BY_TIME)
