"""Why a breach happened: what moved, since when, what else changed then; held against streams whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlops_dag_factory.spec import ExplainSpec
from mlops_dag_factory.spec.monitor import MonitorSpec
from mlops_provider.runtime.monitor.causes import find as causes_of_breach
from mlops_provider.runtime.monitor.causes.change_point import find_change
from mlops_provider.runtime.monitor.causes.series import Point
from mlops_provider.runtime.monitor.causes.since import since_when
from mlops_provider.runtime.monitor.look import Look
from mlops_provider.store.services import Change, ServedVersion, set_version

TREE = "sklearn.tree.DecisionTreeClassifier"


@pytest.mark.parametrize("size", [40, 3000])
def test_the_change_is_found_where_it_is(size):
    random = np.random.default_rng(3)
    values = random.normal(0, 1, size)
    values[int(size * 0.7) :] += 3

    change = find_change(values)

    assert abs(change.place - int(size * 0.7)) <= 2
    assert change.before == pytest.approx(0, abs=0.5)
    assert change.after == pytest.approx(3, abs=0.6)
    assert change.p_value <= 0.01


def test_noise_has_no_change():
    random = np.random.default_rng(4)

    found = [find_change(random.normal(0, 1, 200), seed=seed) for seed in range(60)]

    assert sum(change is not None for change in found) <= 3


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [1.0] * 50, [float("nan")] * 9, [0.0, 0.0, 1.0, 1.0]])
def test_too_little_or_nothing_has_no_change(values):
    assert find_change(values) is None


def test_gaps_do_not_shift_the_place():
    values = [0.0, float("nan"), 0.1, 0.0, 0.1, float("inf"), 5.0, 5.1, 5.0, 5.1, 4.9]

    assert find_change(values, sure=0.05).place == 6


@pytest.mark.parametrize("size", [1e-320, 1.0, 1e308])
def test_numbers_of_any_size_have_their_change_and_no_other(size):
    random = np.random.default_rng(6)
    noise = random.uniform(-1, 1, 60)
    moved = np.where(np.arange(60) >= 40, 0.9, -0.9)

    assert find_change(noise * size) is None
    change = find_change(moved * size)
    assert change.place == 40
    assert np.isfinite([change.before, change.after]).all()


def test_the_change_lies_between_two_checks_within_one_window_of_the_truth():
    random = np.random.default_rng(5)
    start, step = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=1)
    truth = start + 30 * step
    points = [
        Point(start + n * step, {"drift_share": 0.6 * (n >= 30) + 0.05 * random.random()}, "passed", "1")
        for n in range(40)
    ]

    since = since_when(None, points[:-1], ["drift_share"], points[-1], failed=True)

    assert since.earliest <= truth <= since.latest
    assert since.latest - since.earliest == step
    assert since.says.startswith("since between the checks of 2026-03-02 05:00 and 2026-03-02 06:00 UTC: drift_share")


def test_with_one_breach_the_last_quiet_check_is_named():
    start = datetime(2026, 3, 1, tzinfo=UTC)
    quiet = Point(start, {"drift_share": 0.0}, "passed", "1")
    now = Point(start + timedelta(hours=1), {"drift_share": 0.9}, "blocked", "1")

    since = since_when(None, [quiet], ["drift_share"], now, failed=True)

    assert (since.earliest, since.latest, since.p_value) == (quiet.at, now.at, None)
    assert since_when(None, [], ["drift_share"], now, failed=True) is None


def test_a_check_that_judged_nothing_is_not_the_first_with_a_breach():
    start, step = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=1)
    words = ["passed", "vacuous", "blocked"]
    points = [Point(start + n * step, {"drift_share": 0.0}, word, "1") for n, word in enumerate(words)]

    since = since_when(None, points[:-1], ["drift_share"], points[-1], failed=True)

    assert since.says.endswith("the first with one 2026-03-01 02:00")


def test_a_change_for_the_better_long_ago_is_not_when_it_broke():
    start, step = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=1)
    values = [0.7] * 15 + [0.95] * 25 + [0.7]
    points = [
        Point(start + n * step, {"accuracy": value}, "passed" if value > 0.9 else "blocked", "1")
        for n, value in enumerate(values)
    ]

    since = since_when(None, points[:-1], ["accuracy"], points[-1], failed=True)

    assert (since.earliest, since.latest) == (points[-2].at, points[-1].at)


class Cause:
    """Flowers whose petals grow at a known minute."""

    def __init__(self, service):
        self.service = service
        service.release("1")
        self.rows = service.rows.sample(300, replace=True, random_state=1).reset_index(drop=True)
        self.now = datetime.now(UTC).replace(microsecond=0)

    def log(self, change=None, *, minutes_ago=60, columns=("petal length (cm)",)):
        """Log 300 rows, one each 20 seconds; from the row `change` on the columns are 4 cm more."""
        rows = self.rows.copy()
        for name in columns if change is not None else ():
            rows.loc[change:, name] += 4
        begin = self.now - timedelta(minutes=100 + minutes_ago)
        ts = [begin + timedelta(seconds=20 * n) for n in range(len(rows))]
        table = self.service.table(rows).assign(ts=np.array([at.replace(tzinfo=None) for at in ts], "datetime64[us]"))
        self.service.write(table.assign(ts=table["ts"].dt.tz_localize("UTC")))
        return None if change is None else ts[change]

    def check(self, **fields):
        policy = {"minimum_rows": 50, "consecutive": 1}
        checks = {"data_drift": {"share": 0.2, "threshold": 0.5}}
        return self.service.look(**{"checks": checks, "policy": policy, **fields})

    def content(self, outcome):
        return json.loads((self.service.report(outcome) / "report.json").read_text())


@pytest.fixture
def cause(bench, watched):
    bench.tracking_uri = ""  # a new registry takes seconds
    return Cause(watched("sklearn:iris", TREE))


def test_the_column_the_moment_and_the_release_at_that_time_are_named(cause):
    moment = cause.log(200)
    model = ServedVersion(version="1", model=cause.service.ref)
    at = (moment - timedelta(minutes=4)).isoformat(timespec="milliseconds")
    change = Change(id="r", action="release", by="olga", at=at, reason="new lens")
    set_version(cause.service.bench.store, "flow", "production", model, change)

    _, check, spec = cause.check()
    found = cause.content(check)["causes"]

    assert [one["column"] for one in found["columns"]] == ["petal length (cm)"]
    assert abs(datetime.fromisoformat(found["since"]["latest"]) - moment) <= timedelta(minutes=2)
    assert found["since"]["after"] - found["since"]["before"] == pytest.approx(4, abs=0.6)
    assert found["changed"][0]["kind"] == "release"
    assert found["changed"][0]["minutes"] == pytest.approx(-4, abs=2)
    assert "version 1 was released by olga (new lens)" in found["says"][-1]
    assert found["says"][0].startswith("petal length (cm) moved by")
    assert ": mean 3.6" in found["says"][0]
    decision = cause.service.phase("decide", spec, {"report": check.outputs["report"]}).details
    assert decision["reason"]["causes"] == found["says"]
    page = (cause.service.report(check) / "report.html").read_text()
    assert page.index("blocked") < page.index("<h2>Why</h2>") < page.index("<h2>Features</h2>")
    assert "new lens" in page


def test_sample_rows_are_those_farthest_from_what_was(cause):
    cause.log(200)

    rows = cause.content(cause.check()[1])["causes"]["rows"]

    assert len(rows) == 5
    assert min(float(row["petal length (cm)"]) for row in rows) > 9
    assert {"request_id", "ts", "prediction"} <= rows[0].keys()


def test_a_quiet_window_has_no_causes_and_costs_no_search(cause, monkeypatch):
    monkeypatch.setattr(causes_of_breach, "moved_columns", lambda *_: pytest.fail("nothing broke"))
    cause.log()

    _, check, _ = cause.check(checks={"data_drift": {"share": 1, "threshold": 0.9}})

    assert cause.content(check)["causes"]["says"] == []
    assert "<h2>Why</h2>" not in (cause.service.report(check) / "report.html").read_text()


@pytest.mark.parametrize(
    ("lost", "said"), [(100, "is missing in 33% of the rows, in the baseline 0%"), (300, "has no value any more")]
)
def test_a_column_whose_values_are_lost_is_named_first(cause, lost, said):
    column = cause.rows["petal length (cm)"]
    table = cause.service.table(cause.rows, **{"x_petal length (cm)": column.mask(column.index < lost)})
    cause.service.write(table)

    checks = {"data_drift": {"share": 0.2, "threshold": 0.5}, "data_quality": {"missing": 0.1}}
    _, check, _ = cause.check(checks=checks)

    assert check.verdict.status == "blocked"
    says = cause.content(check)["causes"]["says"]
    assert says[0] == f"petal length (cm) {said}"
    assert "no feature moved" not in says


def test_nothing_else_on_record_is_said(cause):
    cause.log(200, minutes_ago=600)  # long before anybody touched the service

    says = cause.content(cause.check(window={"rows": 300})[1])["causes"]["says"]

    assert says[-1] == "nothing else is on record from an hour before until then"


def test_the_search_for_causes_never_loses_the_verdict(cause, monkeypatch):
    def broken(*_):
        raise KeyError("petal")

    monkeypatch.setattr(causes_of_breach, "changed_parts", broken)
    cause.log(100)

    _, check, _ = cause.check()

    assert check.verdict.status == "blocked"
    assert cause.content(check)["causes"]["says"][-1] == "the causes could not all be looked for: KeyError: 'petal'"


def test_wrong_answers_without_a_column_that_moved_have_a_moment_too(cause):
    cause.log()
    table = cause.service.window()[1]
    wrong = np.arange(len(table)) >= 180
    truth = np.where(wrong, (table["prediction"].astype(int) + 1) % 3, table["prediction"].astype(int))
    cause.service.deliver(table["request_id"], truth)

    checks = {"performance": ["accuracy >= 0.9"], "data_drift": {"share": 0.5, "threshold": 0.5}}
    _, check, _ = cause.check(checks=checks, labels={"source": "labels", "column": "target"})

    found = cause.content(check)["causes"]
    assert found["says"][0] == "no feature moved"
    assert found["since"]["what"] == "the share of wrong answers"
    truth_at = table["ts"].iloc[180].to_pydatetime()
    assert abs(datetime.fromisoformat(found["since"]["latest"]) - truth_at) <= timedelta(minutes=2)


def test_columns_beyond_their_threshold_by_chance_are_no_cause(cause):
    rows = cause.service.rows.sample(60, replace=True, random_state=2)
    ids = cause.service.log(rows)
    cause.service.deliver(ids, (rows["target"] + 1) % 3)

    checks = {"performance": ["accuracy >= 0.9"], "data_drift": {"share": 0.5, "threshold": 0.01}}
    _, check, _ = cause.check(checks=checks, labels={"source": "labels", "column": "target"})

    content = cause.content(check)
    assert max(content["scores"].values()) > 0.01
    assert any("by chance" in note for note in content["notes"].values())
    assert content["causes"]["columns"] == []
    assert content["causes"]["says"][0] == "no feature moved"


def test_the_causes_say_the_same_again(cause):
    cause.log(200)
    _, first, spec = cause.check()
    again = cause.service.phase("check", spec, {"window": cause.service.window()[0].outputs["window"]})

    contents = [cause.content(outcome)["causes"] for outcome in (first, again)]

    assert isinstance(spec, MonitorSpec)
    assert contents[0]["says"] == contents[1]["says"]
    assert replace(first, metrics={}).verdict == again.verdict


@pytest.fixture
def shop(bench, watched):
    """A service over sales of three regions, whose first column matters and whose last hardly does."""
    bench.tracking_uri = ""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "amount": random.normal(100, 10, 900).round(3),
            "region": random.choice(["north", "south", "west"], 900),
            "noise": random.normal(0, 1, 900).round(4),
        }
    )
    rows["paid"] = (rows["amount"] > 100).astype(int)
    rows.to_csv(bench.root / "sales.csv", index=False)
    return watched("sales.csv", TREE, target="paid")


def causes_of(service, rows, **columns):
    service.log(rows, **columns)
    checks = {"data_drift": {"share": 0.2, "threshold": 0.2}}
    _, check, _ = service.look(checks=checks, policy={"minimum_rows": 50, "consecutive": 1})
    return json.loads((service.report(check) / "report.json").read_text())["causes"]


def test_a_segment_that_grew_is_named_with_both_shares(shop):
    rows = shop.rows.copy()
    rows.loc[rows.sample(frac=0.6, random_state=1).index, "region"] = "west"

    found = causes_of(shop, rows)

    west = next(part for part in found["segments"] if part["segment"] == "region = west")
    assert west["rows"] == (rows["region"] == "west").sum()
    assert west["says"].startswith("region = west is 7")
    assert "in the baseline" in west["says"]
    assert found["says"][0].startswith("region moved by")


def test_a_column_that_moved_in_one_segment_only_is_traced_to_it(shop):
    rows = shop.rows.copy()
    rows.loc[rows["region"] == "south", "amount"] += 40

    found = causes_of(shop, rows)

    assert found["columns"][0]["column"] == "amount"
    first = found["segments"][0]
    assert first["segment"] == "region = south"
    assert first["says"].startswith("the mean of amount moved by 4")


def test_infinite_values_in_one_segment_lose_neither_the_causes_nor_the_verdict(shop):
    rows = shop.rows.copy()
    south = rows["region"] == "south"
    rows.loc[south, "amount"] += 40

    found = causes_of(shop, rows, x_amount=rows["amount"].where(~south | (south.cumsum() > 3), np.inf))

    assert found["columns"][0]["column"] == "amount"
    assert "could not" not in " ".join(found["says"])
    assert found["segments"][0]["says"].startswith("the mean of amount moved by 4")


@pytest.mark.parametrize("explained", [True, False])
def test_what_matters_comes_before_what_moved_farther(shop, explained):
    if explained:
        explain = ExplainSpec(model="m", data="d", methods=["permutation"])
        shop.bench.run(explain, {"model": shop.ref, "data": shop.test}, run_id="run-1")
    rows = shop.rows.assign(noise=shop.rows["noise"] + 9, amount=shop.rows["amount"] + 12)

    found = causes_of(shop, rows)

    assert [one["column"] for one in found["columns"]] == ["amount", "noise"]
    assert found["columns"][0]["score"] < found["columns"][1]["score"]
    assert found["columns"][0]["importance"] > 0.9
    assert "% of the importance" in found["says"][0]


def test_of_a_baseline_with_profiles_only_the_causes_are_found_all_the_same(shop, monkeypatch):
    monkeypatch.setattr(Look, "baseline", property(lambda look: pd.DataFrame(columns=[*look.baseline_profiles])))
    rows = shop.rows.assign(amount=shop.rows["amount"] + 30)
    rows["region"] = "west"

    found = causes_of(shop, rows)

    assert "region = west is 100% of the rows" in " ".join(found["says"])
    assert len(found["rows"]) == 5
    assert "could not" not in " ".join(found["says"])
