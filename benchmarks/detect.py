"""Detect drift on streams with known truth: how soon it is found, and how often nothing was there.

Our side is the product's own code with its defaults: columns are profiled, scored, weighed against chance and judged
(data drift and prediction drift), and the policy decides (two of the last three checks). Cooldown and budget are left
out, so that every window in which it would retrain counts. "with labels" adds the gate `accuracy.high >= A`, where A is
the accuracy in training less 2 points: a breach that is certain. Beside it, on the same windows: Evidently's default
preset (a window is an alarm where half of the columns drifted), and a Kolmogorov-Smirnov or chi-square test per column
(an alarm where any p is below 0.05: as it is, by Bonferroni, by Benjamini and Hochberg).

The truth is in `streams.py`. In an episode quiet windows come first, then those of the drift.

What cannot be found from the columns: a concept drift (the same rows, other answers) and what a small segment does to
the whole. The table says what each side found of them.

Figures: false_retrainings_per_1000 of our default policy in stable windows, abrupt_found_within_two_windows of its
episodes, evidently_false_per_1000 and evidently_found the same of Evidently's preset.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from figures import show
from streams import COST, DATA, STREAMS, world

os.environ["DO_NOT_TRACK"] = "1"
REFERENCE = 5_000
GOAL, QUICK = 1_000, 40
JUDGED = ("stable", "abrupt")
"""The streams that the figures are of; of the others Evidently, which is slow, sees fewer episodes."""
START = datetime(2026, 1, 1, tzinfo=UTC)
SIDES = ("ours", "ours, with labels", "Evidently preset", "KS", "KS Bonferroni", "KS Benjamini-Hochberg")


class Ours:
    """The product's own code: profile, score, weigh against chance, judge, decide."""

    def __init__(self, reference: pd.DataFrame, answers: np.ndarray, accuracy: float) -> None:
        from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, PredictionDriftCheck
        from mlops_dag_factory.spec.monitoring.policy import PolicySpec
        from mlops_provider.runtime.monitor.drift.chances import Chances

        names = [name for name in reference if name != "target"]
        self.kinds = {name: "number" if reference[name].dtype.kind == "f" else "category" for name in names}
        self.kinds["prediction (what the model answers)"] = "category"
        self.baseline = self._profiles(reference, answers, None)
        self.centres = {name: profile.centre for name, profile in self.baseline.items()}
        self.checks = DataDriftCheck(), PredictionDriftCheck()
        self.policy = PolicySpec(cooldown=timedelta(0), per_week=50, patience=timedelta(0))
        self.chances = Chances(None, "bench")
        self.gate = accuracy - COST

    def judge(self, rows: pd.DataFrame, answers: np.ndarray) -> tuple[dict[str, Any], bool]:
        """Give the verdict about a window, without labels and with them, and whether it names a column."""
        from mlops_provider.runtime.comparison import Wanted, compare_columns
        from mlops_provider.runtime.monitor.drift.chances import chances_of
        from mlops_provider.runtime.monitor.drift.verdict import judge_features, judge_predictions
        from mlops_provider.runtime.monitor.findings import Findings
        from mlops_provider.runtime.monitor.windows.profiles import PREDICTION as ANSWER
        from mlops_provider.verdicts import Verdict, judge_gate

        data, prediction = self.checks
        window = self._profiles(rows, answers, self.centres)
        features = {name: kind for name, kind in self.kinds.items() if name != ANSWER}
        compared = compare_columns(self.baseline, window, features, default=Wanted(data.method, data.threshold))
        moved = compare_columns(
            self.baseline, window, {ANSWER: "category"}, default=Wanted(prediction.method, prediction.threshold)
        )
        found = Findings(
            scores=compared.scores,
            methods=compared.methods | moved.methods,
            thresholds=compared.thresholds | moved.thresholds,
            bad_columns=compared.bad,
        )
        for one in (compared, moved):
            found.chances |= chances_of(one, self.baseline, window, self.chances)
        judge_features(data, compared.total, found)
        judge_predictions(prediction, moved.scores.get(ANSWER), "", found)
        low, high = _interval(answers == rows["target"].to_numpy())
        metrics = {"accuracy": {"low": low, "high": high}}
        gate = judge_gate(f"accuracy.high >= {self.gate:.6f}", metrics, champion=None)
        named = found.metrics["drift_share"] > 0
        return {"ours": Verdict.of(found.rules), "ours, with labels": Verdict.of([*found.rules, gate])}, named

    def decider(self) -> Any:
        """Give a function that decides about one verdict after the other."""
        from mlops_provider.runtime.monitor.deciding.policy import Check, decide
        from mlops_provider.runtime.monitor.deciding.state import State

        state, day = State(), START

        def step(verdict: Any) -> bool:
            nonlocal state, day
            rules = verdict.to_dict()["rules"]
            made = decide(
                state,
                Check(id=str(day), status=verdict.status, rules=rules, version="1"),
                self.policy,
                ["retrain"],
                day,
            )
            state, day = made.state, day + timedelta(days=1)
            return "retrain" in made.actions

        return step

    def _profiles(self, rows: pd.DataFrame, answers: np.ndarray, centres: dict[str, float] | None) -> dict[str, Any]:
        from mlops_provider.runtime.columns.scan import profile_columns
        from mlops_provider.runtime.table import connect

        with connect() as connection:
            frame = rows.assign(**{name: answers for name in self.kinds if name not in rows})
            connection.register("rows", frame)
            return profile_columns(connection, "rows", self.kinds, centres)


def _interval(right: np.ndarray) -> tuple[float, float]:
    """Give the 95 % interval of an accuracy (Wilson)."""
    from scipy.stats import binomtest

    found = binomtest(int(right.sum()), len(right)).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def evidently_alarm(reference: pd.DataFrame, rows: pd.DataFrame) -> bool:
    """Ask Evidently's default preset whether the dataset has drifted."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Report([DataDriftPreset()]).run(current_data=rows, reference_data=reference).dict()
    value = next(one["value"] for one in found["metrics"] if "DriftedColumnsCount" in str(one))
    return float(value["share"]) >= 0.5


def test_alarms(reference: pd.DataFrame, rows: pd.DataFrame) -> dict[str, bool]:
    """Test every column, and correct for how many there are in three ways."""
    from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp

    found = []
    for name in reference:
        if reference[name].dtype.kind == "f":
            found.append(ks_2samp(reference[name], rows[name]).pvalue)
        else:
            counts = pd.DataFrame({"before": reference[name].value_counts(), "after": rows[name].value_counts()})
            found.append(chi2_contingency(counts.fillna(0).to_numpy()).pvalue)
    return {
        "KS": min(found) < 0.05,
        "KS Bonferroni": min(found) < 0.05 / len(found),
        "KS Benjamini-Hochberg": min(false_discovery_control(found)) < 0.05,
    }


@cache
def sides(name: str) -> tuple[Any, pd.DataFrame, Ours]:
    """Give the world, the reference rows of every side, and ours."""
    here = world(name)
    reference = here.train[:REFERENCE]
    return here, reference, Ours(reference[here.names], here.answers(reference), here.accuracy)


def play(stream: str, seed: int, *, peers: bool) -> dict[str, list[tuple[bool, bool]]]:
    """Play one episode: of each side, (drifted, alarm) of every window."""
    draw, home, _ = STREAMS[stream]
    here, reference, ours = sides(home)
    windows = draw(here, np.random.default_rng([seed, len(stream)]))
    steps = {side: ours.decider() for side in SIDES[:2]}
    found: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for window in windows:
        answers, rows = here.answers(window.rows), window.rows[here.names]
        verdicts, named = ours.judge(window.rows, answers)
        found["named"].append((window.drifted, named))
        for side, step in steps.items():
            found[side].append((window.drifted, step(verdicts[side])))
        for side, alarm in test_alarms(reference[here.names], rows).items():
            found[side].append((window.drifted, bool(alarm)))
        if peers:
            found["Evidently preset"].append((window.drifted, evidently_alarm(reference[here.names], rows)))
    return dict(found)


@dataclass
class Tally:
    """What a side found in a stream."""

    quiet: int = 0
    false: int = 0
    episodes: int = 0
    within_two: int = 0
    delays: list[int] = field(default_factory=list)

    def add(self, played: list[tuple[bool, bool]]) -> None:
        """Count an episode; what is decided while an alarm ends counts against the drift before it."""
        onset = None
        for number, (drifted, alarm) in enumerate(played):
            starts = drifted and (number == 0 or not played[number - 1][0])
            if starts:
                onset = number
                self.episodes += 1
                hit = next((k for k, (d, a) in enumerate(played[number:]) if a or not d), None)
                if hit is not None and played[number + hit] == (True, True):
                    self.delays.append(hit + 1)
                    self.within_two += hit < 2
            if not drifted and onset is None:
                self.quiet += 1
                self.false += alarm

    def row(self) -> tuple[object, ...]:
        """Give the cells of the table."""
        per = f"{1000 * self.false / self.quiet:.1f}" if self.quiet else ""
        if not self.episodes:
            return (self.quiet, per, "", "", "")
        within, any_time = self.within_two / self.episodes, len(self.delays) / self.episodes
        delay = f"{np.mean(self.delays):.1f}" if self.delays else ""
        return (self.quiet, per, f"{within:.1%}", f"{any_time:.1%}", delay)


def figures_of(tallies: dict[str, dict[str, Tally]]) -> dict[str, float]:
    """Give the figures of the streams that were played."""
    figures = {}
    if "stable" in tallies:
        for name, side in (("false_retrainings_per_1000", "ours"), ("evidently_false_per_1000", "Evidently preset")):
            found = tallies["stable"][side]
            figures[name] = 1000 * found.false / max(found.quiet, 1)
    if "abrupt" in tallies:
        for name, side in (("abrupt_found_within_two_windows", "ours"), ("evidently_found", "Evidently preset")):
            found = tallies["abrupt"][side]
            figures[name] = found.within_two / max(found.episodes, 1)
    return figures


def main() -> None:
    """Play every stream for every side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} windows of each stream instead of {GOAL}")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--streams", default="", help="Only these, with commas between them.")
    parser.add_argument(
        "--evidently",
        type=float,
        default=1.0,
        help="Share of the episodes that Evidently sees; of most a tenth of it.",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    wanted = options.streams.split(",") if options.streams else list(STREAMS)
    if not (DATA / "nyc_weather.csv").exists():
        wanted = [stream for stream in wanted if STREAMS[stream][1] != "weather"]
    goal = QUICK if options.quick else GOAL
    table, tallies = [], {}
    with ProcessPoolExecutor(options.workers) as pool:
        for stream in wanted:
            episodes = max(goal // STREAMS[stream][2], 2)
            share = options.evidently if stream in JUDGED else options.evidently / 10
            with_evidently = max(round(episodes * share), 1)
            jobs = [pool.submit(play, stream, seed, peers=seed < with_evidently) for seed in range(episodes)]
            found: dict[str, Tally] = defaultdict(Tally)
            for job in jobs:
                for side, played in job.result().items():
                    found[side].add(played)
            tallies[stream] = found
            for side in (*SIDES, "named"):
                if side in found:
                    shown = "ours: a column named" if side == "named" else side
                    table.append((stream, shown, *found[side].row()))
            print(f"{stream}: {episodes} episodes", file=sys.stderr)
    figures = figures_of(tallies)
    header = ("stream", "side", "quiet windows", "false per 1,000", "found within two", "found", "delay, windows")
    show("Detection", header, table, figures, as_json=options.json)


if __name__ == "__main__":
    main()
