"""What a window is compared with: other data, or the log of another time; from pieces that are made once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlops_provider.exceptions import ConfigError
from mlops_provider.runtime.columns.files import read_profiles
from mlops_provider.runtime.monitor.about import BASELINE_PROFILES_FILE, PROFILES_FILE, read_about
from mlops_provider.runtime.monitor.windows.segments import WHOLE, unflat
from mlops_provider.store.services import Change, now, roll_back

NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
DRIFT = {"data_drift": {"share": 0.3, "threshold": 0.25}}
KINDS = ["calm", "wild"]


class Stream:
    """A service whose log is written hour by hour, and a monitor that looks at it at a time."""

    def __init__(self, service):
        self.service = service
        self.random = np.random.default_rng(7)

    def rows(self, count, shift=0.0, kinds=KINDS):
        height = self.random.normal(shift, 1, count)
        return pd.DataFrame({"height": height, "kind": self.random.choice(kinds, count)})

    def log(self, at, count=60, shift=0.0, *, name="", version="1", **columns):
        frame = self.rows(count, shift, columns.pop("kinds", KINDS))
        ts = pd.Series([at + timedelta(seconds=i) for i in range(count)], dtype="datetime64[us, UTC]")
        table = self.service.table(frame, version=version, ts=ts, **columns)
        self.service.write(table, name, version)
        return table

    def hours(self, since, until, **fields):
        for number in range(round((until - since) / timedelta(hours=1))):
            self.log(since + number * timedelta(hours=1), **fields)

    def look(self, at=NOON, **fields):
        self.service.at = at.isoformat()
        fields = {"window": {"size": "6h"}, "checks": DRIFT, "policy": {"minimum_rows": 50}, **fields}
        return self.service.look(**fields)

    def about(self, outcome):
        return read_about(self.folder(outcome))

    def folder(self, outcome):
        return self.service.bench.store.open(outcome.outputs["profile"]).folder

    def parts(self, outcome, file=PROFILES_FILE):
        return unflat(read_profiles(self.folder(outcome) / file))

    def pieces(self):
        return sorted(
            self.service.bench.root.glob("store/flow/monitor/production/pieces/version=*/*/*[0-9a-f].parquet")
        )


@pytest.fixture
def stream(bench, watched):
    bench.tracking_uri = ""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"height": random.normal(0, 1, 400), "kind": random.choice(KINDS, 400)})
    frame["target"] = (frame["height"] > 0).astype(int)
    frame.to_csv(bench.root / "heights.csv", index=False)
    return Stream(watched("heights.csv"))


def drift(outcome):
    return {rule.rule: rule for rule in outcome.verdict.rules}["data_drift"]


def same(left, right):
    """Say whether two profiles hold the same; sums depend on the order in which they were added up."""
    exact = ("kind", "rows", "missing", "infinite", "wrong", "centre", "minimum", "maximum", "categories", "other")
    return (
        all(str(getattr(left, name)) == str(getattr(right, name)) for name in exact)
        and left.bins.tolist() == right.bins.tolist()
        and left.counts.tolist() == right.counts.tolist()
        and np.allclose(left.sums, right.sums)
        and np.isclose(left.squares, right.squares)
    )


def test_the_models_own_baseline_moves_with_a_release_and_back_with_a_rollback(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, shift=3)
    assert stream.look()[1].verdict.status == "blocked"

    frame = stream.rows(400, shift=3).assign(target=lambda rows: (rows["height"] > 3).astype(int))
    frame.to_csv(stream.service.bench.root / "high.csv", index=False)
    stream.service.ref = stream.service.trained("high.csv")
    stream.service.release("2")
    stream.hours(NOON - timedelta(hours=6), NOON, shift=3, version="2")
    assert stream.look()[1].verdict.status == "passed"

    change = Change(id="back", action="rollback", by="ana", at=now())
    roll_back(stream.service.bench.store, "flow", "production", change)
    assert stream.look()[1].verdict.status == "blocked"


def test_a_rolling_baseline_moves_on_with_the_window(stream):
    stream.hours(NOON - timedelta(hours=48), NOON, shift=3)
    rolling = {"rolling": "24h", "gap": "2h"}

    window, check, _ = stream.look(baseline=rolling)

    assert check.verdict.status == "passed", "three days ago it was otherwise, but not yesterday"
    about = stream.about(window)
    assert about.baseline == "the rolling baseline from 2026-03-17 04:00 to 2026-03-18 04:00"
    assert about.baseline_rows == 24 * 60
    stream.hours(NOON, NOON + timedelta(hours=6), shift=0)
    assert stream.look(NOON + timedelta(hours=6), baseline=rolling)[1].verdict.status == "blocked"


def test_a_seasonal_baseline_is_of_the_same_hours_of_earlier_weeks(stream):
    week = timedelta(days=7)
    for weeks in (1, 2, 3):
        stream.hours(NOON - weeks * week - timedelta(hours=6), NOON - weeks * week, shift=3)
        stream.hours(NOON - weeks * week - timedelta(hours=12), NOON - weeks * week - timedelta(hours=6), shift=-3)
    stream.hours(NOON - timedelta(hours=6), NOON, shift=3)

    window, check, _ = stream.look(baseline={"season": "7d", "count": 4})

    assert check.verdict.status == "passed"
    about = stream.about(window)
    assert about.baseline_rows == 3 * 6 * 60
    assert "4 seasons before, from 2026-02-18 06:00 on (1 of them without rows)" in about.baseline


def test_a_fixed_baseline_is_a_stretch_of_the_log_or_a_dataset(stream):
    since = NOON - timedelta(days=30)
    stream.hours(since, since + timedelta(hours=5), shift=3)
    stream.hours(NOON - timedelta(hours=6), NOON, shift=3)
    end = (since + timedelta(hours=5)).isoformat()
    _, check, _ = stream.look(baseline={"from": since.isoformat(), "to": end})
    assert check.verdict.status == "passed"

    stream.rows(300, shift=3).to_csv(stream.service.bench.root / "other.csv", index=False)
    window, check, _ = stream.look(baseline={"source": "other.csv"})
    assert check.verdict.status == "passed"
    assert stream.about(window).baseline_rows == 300

    stream.rows(300, shift=0).to_csv(stream.service.bench.root / "other.csv", index=False)
    assert stream.look(baseline={"source": "other.csv"})[1].verdict.status == "blocked"


def test_predictions_are_not_compared_with_a_dataset_that_has_none(stream):
    stream.hours(NOON - timedelta(hours=6), NOON)
    stream.rows(300).to_csv(stream.service.bench.root / "other.csv", index=False)

    _, check, _ = stream.look(baseline={"source": "other.csv"}, checks={**DRIFT, "prediction_drift": {}})

    [rule] = [rule for rule in check.verdict.rules if rule.rule == "prediction_drift"]
    assert (rule.result, rule.why) == ("not_applicable", "the baseline has no predictions that can be compared")
    assert check.verdict.status == "passed"


@pytest.mark.parametrize(
    ("baseline", "why"),
    [
        ({"source": "gone.csv"}, "gone.csv' does not exist"),
        ({"from": "2026-01-01", "to": "2026-01-03"}, "the log from 2026-01-01 00:00 to 2026-01-03 00:00 has no rows"),
        ({"rolling": "2h", "gap": "1d"}, "to 2026-03-17 06:00 has no rows"),
        ({"source": "little.csv"}, "little.csv has 5 rows, fewer than policy.minimum_rows (50)"),
    ],
)
def test_a_baseline_that_is_gone_is_said_and_neither_alarms_nor_passes(stream, baseline, why):
    stream.hours(NOON - timedelta(hours=6), NOON, shift=3)
    stream.rows(5).to_csv(stream.service.bench.root / "little.csv", index=False)

    _, check, _ = stream.look(baseline=baseline)

    assert (check.verdict.status, drift(check).result) == ("vacuous", "not_applicable")
    assert why in drift(check).why
    assert "the baseline is gone" in drift(check).why


def test_a_large_window_is_added_up_from_its_hours_and_equals_its_rows(stream):
    stream.hours(NOON - timedelta(hours=8), NOON, count=80)
    at = NOON - timedelta(minutes=59, seconds=30)
    small, _, _ = stream.look(at)

    large, _, _ = stream.look(at, window={"size": "6h", "kept": 100}, segments=["kind"])

    assert (large.metrics["rows"], large.metrics["kept"]) == (6 * 80, 100)
    assert large.metrics["rows"] == small.metrics["rows"] == small.metrics["kept"]
    rows, pieces = stream.parts(small)[WHOLE], stream.parts(large)[WHOLE]
    assert rows.keys() == pieces.keys()
    assert all(same(rows[name], pieces[name]) for name in rows)
    assert len(stream.pieces()) == 5, "the hours at both ends are in no piece"


def test_whole_hours_are_profiled_once(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, count=80)
    stream.look(window={"size": "6h", "kept": 100})
    made = {piece: piece.stat().st_mtime_ns for piece in stream.pieces()}
    stream.hours(NOON, NOON + timedelta(hours=1), count=80)

    stream.look(NOON + timedelta(hours=1), window={"size": "6h", "kept": 100})

    assert len(made) == 6
    assert {piece: piece.stat().st_mtime_ns for piece in stream.pieces() if piece in made} == made
    assert len(stream.pieces()) == 7


def test_a_file_that_comes_late_makes_a_new_piece(stream):
    fields = {"window": {"size": "6h", "kept": 100}}
    stream.hours(NOON - timedelta(hours=6), NOON, count=80)
    stream.look(**fields)
    stream.log(NOON - timedelta(hours=3), count=40, shift=5)

    window, _, _ = stream.look(**fields)

    assert len(stream.pieces()) == 7
    assert stream.parts(window)[WHOLE]["height"].rows == 6 * 80 + 40


def test_a_damaged_file_of_the_log_is_left_out_of_its_piece(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, count=80)
    good = stream.log(NOON - timedelta(hours=3), count=40, name="good")
    [file] = stream.service.bench.root.glob("store/flow/predictions/production/*/*/*/good.parquet")
    content = file.read_bytes()
    file.with_name("torn.parquet").write_bytes(content[:300])
    file.with_name("damaged.parquet").write_bytes(content[:100] + bytes(600) + content[700:])

    window, _, _ = stream.look(window={"size": "6h", "kept": 100})

    assert window.metrics["unreadable_files"] == 2
    assert stream.parts(window)[WHOLE]["height"].rows == 6 * 80 + len(good)


def test_a_request_that_was_tried_again_counts_once_in_its_piece(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, count=80)
    table = stream.log(NOON - timedelta(hours=3), count=40)
    stream.service.write(table.assign(ts=table["ts"] + timedelta(minutes=1)))

    window, _, _ = stream.look(window={"size": "6h", "kept": 100})

    assert (window.metrics["rows"], window.metrics["again"]) == (6 * 80 + 80, 40)
    assert stream.parts(window)[WHOLE]["height"].rows == 6 * 80 + 40


def test_rows_of_a_server_whose_clock_is_ahead_are_said_and_in_no_window_before_their_time(stream):
    later = datetime.now(UTC) + timedelta(hours=5)
    stream.hours(later, later + timedelta(hours=2))

    window, check, _ = stream.look(datetime.now(UTC))

    assert (window.metrics["rows"], check.verdict.status) == (0, "vacuous")
    assert "hours of its log have not come yet" in check.summary
    assert stream.look(later + timedelta(hours=3))[0].metrics["rows"] == 120


def test_predictions_of_other_versions_are_no_baseline_but_what_they_were_asked_is(stream):
    stream.hours(NOON - timedelta(hours=30), NOON - timedelta(hours=8), prediction=1)
    stream.service.release("2")
    stream.hours(NOON - timedelta(hours=8), NOON, version="2")

    window, _, _ = stream.look(baseline={"rolling": "24h"})

    baseline = stream.parts(window, BASELINE_PROFILES_FILE)[WHOLE]
    assert baseline["height"].rows == 24 * 60
    assert baseline["prediction (what the model answers)"].rows == 2 * 60


def test_segments_are_the_values_of_the_baseline_and_new_ones_are_said(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, count=80, kinds=["calm", "wild", "odd"])

    window, _, _ = stream.look(segments=["kind"])

    about, parts = stream.about(window), stream.parts(window)
    assert set(about.segments) == {"kind = calm", "kind = wild", "kind = (other)"}
    assert sum(about.segments.values()) == 480
    assert about.new_segments == {"kind = odd": about.segments["kind = (other)"]}
    assert parts["kind = calm"]["height"].rows == about.segments["kind = calm"]
    assert set(stream.parts(window, BASELINE_PROFILES_FILE)) == {WHOLE, "kind = calm", "kind = wild"}


def test_drift_in_a_small_segment_is_seen_though_the_whole_hardly_moves(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, count=300, kinds=["calm"])
    stream.hours(NOON - timedelta(hours=6), NOON, count=20, kinds=["wild"], shift=2)
    checks = {"data_drift": {"share": 0.5, "threshold": 0.6, "columns": {"kind": {"threshold": 1}}}}

    _, check, _ = stream.look(checks=checks, segments=["kind"], window={"size": "6h", "kept": 100})

    results = {rule.rule: rule.result for rule in check.verdict.rules}
    assert results["data_drift"] == "passed"
    assert results["data_drift where kind = calm"] == "passed"
    assert results["data_drift where kind = wild"] == "failed"
    assert check.metrics["segment_drift_share"] == 1, "of height: what makes the segment does not count"
    page = (stream.service.report(check) / "report.html").read_text()
    assert "<h2>Segments</h2>" in page


def test_small_segments_are_shown_and_not_judged(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, count=60, kinds=["calm"])
    stream.log(NOON - timedelta(hours=2), count=20, kinds=["wild"], shift=3)
    stream.log(NOON - timedelta(hours=2), count=7, kinds=["<odd>"], shift=3)

    _, check, _ = stream.look(segments=["kind"])

    assert [rule.rule for rule in check.verdict.rules if "where" in rule.rule] == ["data_drift where kind = calm"]
    page = (stream.service.report(check) / "report.html").read_text()
    assert "20 rows, fewer than policy.minimum_rows (50)" in page
    assert "kind = &lt;odd&gt;: 7 rows, in the baseline none" in page


def test_segments_of_a_number_are_the_quartiles_of_the_baseline(stream):
    stream.hours(NOON - timedelta(hours=6), NOON, count=80)
    stream.log(NOON - timedelta(hours=1), x_height=np.nan)

    window, _, _ = stream.look(segments=["height"])

    counts = stream.about(window).segments
    assert len(counts) == 5
    assert counts["height = (other)"] == 60
    assert all(80 < count < 160 for name, count in counts.items() if "other" not in name)
    [low] = [part for name, part in stream.parts(window).items() if name.startswith("height <")]
    assert low["height"].maximum < -0.5


def test_a_segment_of_what_is_no_feature_is_an_error_that_says_what_is(stream):
    stream.hours(NOON - timedelta(hours=6), NOON)

    with pytest.raises(ConfigError, match="segments: 'region' is no feature") as caught:
        stream.look(segments=["region"])

    assert "there are: height, kind" in str(caught.value)
