"""Detect drift on streams with known truth: how soon it is found, and how often nothing was there.

Our side is the product's own code with its defaults: columns are profiled, scored, weighed against chance and judged
(data drift and prediction drift), and the policy decides (two of the last three checks). Cooldown and budget are left
out, so that every window in which it would retrain counts. "with labels" adds the gate `accuracy.high >= A`, where A is
the accuracy in training less 2 points: a breach that is certain. Beside it, on the same windows: Evidently's default
preset (a window is an alarm where half of the columns drifted), and a Kolmogorov-Smirnov or chi-square test per column
(an alarm where any p is below 0.05: as it is, by Bonferroni, by Benjamini and Hochberg).

The truth: a logistic regression is fitted on 20,000 rows of ten columns whose target is not linear in them. A drift of
a stream moves some columns (how many and which way is drawn for every episode) by the size at which this fitted model
loses 2 points of accuracy, found by bisection on 20,000 rows; directions that cost less than that at four standard
deviations are drawn again. In an episode quiet windows come first, then those of the drift.

Two streams are real, where `nyc_weather.csv` is there: hours of one January, and the same followed by other months.

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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from figures import show

os.environ["DO_NOT_TRACK"] = "1"
ROWS, REFERENCE, FITTED = 1_000, 5_000, 20_000
GOAL, QUICK = 1_000, 40
COST = 0.02
FARTHEST = 4.0
DATA = Path(os.environ.get("MLOPS_BENCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
START = datetime(2026, 1, 1, tzinfo=UTC)
SIDES = ("ours", "ours, with labels", "Evidently preset", "KS", "KS Bonferroni", "KS Benjamini-Hochberg")


@dataclass
class World:
    """Columns, a target that is not linear in them, and a model that is."""

    columns: int = 10
    seed: int = 0
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = [f"f{number}" for number in range(self.columns)]
        self.numbers, self.categories = self.names[:-2], self.names[-2:]
        random = np.random.default_rng(self.seed)
        self.train = self.draw(random, FITTED)
        self.model = fit(self.train, self.names, self.categories)
        self.accuracy = float((self.answers(self.train) == self.train["target"]).mean())

    def draw(self, random: np.random.Generator, rows: int, shift: dict[str, float] | None = None) -> pd.DataFrame:
        """Draw rows; `shift` moves numbers by standard deviations and mixes categories towards their last value."""
        shift = shift or {}
        frame = pd.DataFrame(
            {name: random.normal(size=rows) + shift.get(name, 0.0) for name in self.numbers}, dtype="float64"
        )
        for name in self.categories:
            values = random.integers(0, 5, rows)
            moved = random.random(rows) < 1 - np.exp(-abs(shift.get(name, 0.0)))
            frame[name] = pd.Series(np.where(moved, 4, values)).map(lambda value: f"k{value}")
        frame["target"] = (random.random(rows) < self.chance(frame)).astype("int64")
        return frame

    def chance(self, frame: pd.DataFrame) -> np.ndarray:
        """Give the probability of the target."""
        f = {name: frame[name].to_numpy() for name in self.numbers}
        score = 1.5 * f["f0"] + 1.2 * f["f1"] - f["f2"] + 0.9 * f["f3"] * f["f4"] + 0.7 * f["f5"] ** 2 - 0.7
        score = (
            score + np.where(frame[self.categories[0]] == "k4", 1.0, -0.2) + 0.5 * np.sin(2 * f["f6"]) + 0.4 * f["f7"]
        )
        return 1 / (1 + np.exp(-2 * score))

    def answers(self, frame: pd.DataFrame) -> np.ndarray:
        """Give what the model answers."""
        return self.model.predict(frame[self.names])

    def costly(self, random: np.random.Generator, one_of: list[str] | None = None) -> dict[str, float]:
        """Draw a direction, or one column, and the size at which the fitted model loses COST of its accuracy there."""
        while True:
            number = 1 if one_of else random.integers(1, self.columns + 1)
            some = random.choice(one_of or self.names, number, replace=False).tolist()
            direction = {name: float(random.choice([-1.0, 1.0])) for name in some}
            seed = int(random.integers(2**31))

            def loss(size: float, direction: dict[str, float] = direction, seed: int = seed) -> float:
                rows = self.draw(np.random.default_rng(seed), FITTED, {n: d * size for n, d in direction.items()})
                chance, answers = self.chance(rows), self.answers(rows)
                return self._expected - float(np.where(answers == 1, chance, 1 - chance).mean())

            if loss(FARTHEST) >= COST:
                low, high = 0.0, FARTHEST
                for _ in range(9):
                    middle = (low + high) / 2
                    low, high = (low, middle) if loss(middle) >= COST else (middle, high)
                return {name: sign * high for name, sign in direction.items()}

    @property
    def _expected(self) -> float:
        chance, answers = self.chance(self.train), self.answers(self.train)
        return float(np.where(answers == 1, chance, 1 - chance).mean())


class Weather:
    """New York's weather of 2013: a model that says from an hour of January whether it rains."""

    def __init__(self) -> None:
        frame = pd.read_csv(DATA / "nyc_weather.csv", na_values="NA").dropna(subset=["temp", "pressure"])
        frame["target"] = (frame["precip"] > 0).astype("int64")
        self.names = ["origin", "temp", "dewp", "humid", "wind_speed", "pressure", "visib"]
        self.frame = frame[["month", *self.names, "target"]].dropna().sample(frac=1, random_state=0, ignore_index=True)
        self.categories = ["origin"]
        january = self.frame[self.frame["month"] == 1]
        self.train, self.rest = january[: len(january) // 2], january[len(january) // 2 :]
        self.model = fit(self.train, self.names, self.categories)
        self.accuracy = float((self.answers(self.train) == self.train["target"]).mean())

    def answers(self, frame: pd.DataFrame) -> np.ndarray:
        """Give what the model answers."""
        return self.model.predict(frame[self.names])

    def hours(self, random: np.random.Generator, month: int, rows: int) -> pd.DataFrame:
        """Draw hours of a month; of January those that the model has not seen."""
        found = self.rest if month == 1 else self.frame[self.frame["month"] == month]
        return found.sample(rows, random_state=int(random.integers(2**31)), ignore_index=True)


def fit(rows: pd.DataFrame, names: list[str], categories: list[str]) -> Any:
    """Fit a logistic regression."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    coded = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), categories), remainder="passthrough")
    return make_pipeline(coded, LogisticRegression(max_iter=2000)).fit(rows[names], rows["target"])


@cache
def world(name: str = "ten") -> Any:
    """Give a world, once for each process."""
    return Weather() if name == "weather" else World(50 if name == "fifty" else 10)


@dataclass(frozen=True)
class Window:
    """A window and whether the stream has drifted in it."""

    rows: pd.DataFrame
    drifted: bool = False


class Ours:
    """The product's own code: profile, score, weigh against chance, judge, decide."""

    def __init__(self, reference: pd.DataFrame, answers: np.ndarray, accuracy: float) -> None:
        from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck, PredictionDriftCheck
        from mlops_dag_factory.spec.monitoring.policy import PolicySpec
        from mlops_provider.runtime.monitor.chances import Chances

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
        from mlops_provider.runtime.monitor.chances import chances_of
        from mlops_provider.runtime.monitor.drift_verdict import judge_features, judge_predictions
        from mlops_provider.runtime.monitor.findings import Findings
        from mlops_provider.runtime.monitor.profiles import PREDICTION as ANSWER
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
        from mlops_provider.runtime.monitor.policy import Check, decide
        from mlops_provider.runtime.monitor.state import State

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


def stable(here: World, random: np.random.Generator) -> list[Window]:
    """Nothing happens."""
    return [Window(here.draw(random, ROWS)) for _ in range(20)]


def small(here: World, random: np.random.Generator) -> list[Window]:
    """Nothing happens, in windows of 200 rows."""
    return [Window(here.draw(random, 200)) for _ in range(20)]


def abrupt(here: World, random: np.random.Generator) -> list[Window]:
    """From one window to the next it costs 2 points."""
    shift = here.costly(random)
    return [Window(here.draw(random, ROWS)) for _ in range(2)] + [
        Window(here.draw(random, ROWS, shift), drifted=True) for _ in range(3)
    ]


def gradual(here: World, random: np.random.Generator) -> list[Window]:
    """It comes over ten windows to the size that costs 2 points; the delay counts from its first step."""
    shift = here.costly(random)
    steps = [0.0, *np.linspace(0, 1, 11)]
    return [
        Window(here.draw(random, ROWS, {n: s * step for n, s in shift.items()}), drifted=step > 0) for step in steps
    ]


def recurring(here: World, random: np.random.Generator) -> list[Window]:
    """It comes for three windows, goes for five, and comes again."""
    shift = here.costly(random)
    parts = [(2, False), (3, True), (5, False), (3, True)]
    return [
        Window(here.draw(random, ROWS, shift if drifted else None), drifted=drifted)
        for count, drifted in parts
        for _ in range(count)
    ]


def seasonal(here: World, random: np.random.Generator) -> list[Window]:
    """Three columns swing by one standard deviation every eight windows, as a day does: no drift, but unlike a year."""
    swing = [np.sin(2 * np.pi * phase / 8) for phase in range(16)]
    return [Window(here.draw(random, ROWS, dict.fromkeys(here.numbers[:3], float(part)))) for part in swing]


def one_of_fifty(here: World, random: np.random.Generator) -> list[Window]:
    """One of fifty columns, of those that matter, moves by the size that costs 2 points."""
    shift = here.costly(random, here.numbers[:6])
    return [Window(here.draw(random, ROWS)) for _ in range(2)] + [
        Window(here.draw(random, ROWS, shift), drifted=True) for _ in range(3)
    ]


def segment(here: World, random: np.random.Generator) -> list[Window]:
    """In 5 % of the rows three columns move by three standard deviations."""

    def drawn() -> pd.DataFrame:
        rows = here.draw(random, ROWS)
        part = here.draw(random, ROWS // 20, dict.fromkeys(here.numbers[:3], 3.0))
        return pd.concat([rows[ROWS // 20 :], part], ignore_index=True)

    return [Window(here.draw(random, ROWS)) for _ in range(2)] + [Window(drawn(), drifted=True) for _ in range(3)]


def label_shift(here: World, random: np.random.Generator) -> list[Window]:
    """The positives become twice as frequent as the negatives; rows of each are as before."""

    def drawn() -> pd.DataFrame:
        rows = here.draw(random, 4 * ROWS)
        weight = np.where(rows["target"] == 1, 2.0, 1.0)
        return rows.sample(ROWS, weights=weight, random_state=int(random.integers(2**31)), ignore_index=True)

    return [Window(here.draw(random, ROWS)) for _ in range(2)] + [Window(drawn(), drifted=True) for _ in range(3)]


def concept(here: World, random: np.random.Generator) -> list[Window]:
    """A tenth of the answers turn round; the columns stay as they are."""

    def drawn() -> pd.DataFrame:
        rows = here.draw(random, ROWS)
        turned = random.random(ROWS) < 0.1
        return rows.assign(target=np.where(turned, 1 - rows["target"], rows["target"]))

    return [Window(here.draw(random, ROWS)) for _ in range(2)] + [Window(drawn(), drifted=True) for _ in range(3)]


def weather_stable(here: Weather, random: np.random.Generator) -> list[Window]:
    """Hours of the January that the model knows others of."""
    return [Window(here.hours(random, 1, 500)) for _ in range(20)]


def weather_season(here: Weather, random: np.random.Generator) -> list[Window]:
    """It becomes another month."""
    month = int(random.integers(4, 12))
    return [Window(here.hours(random, 1, 500)) for _ in range(2)] + [
        Window(here.hours(random, month, 500), drifted=True) for _ in range(3)
    ]


STREAMS = {
    "stable": ("ten", 20),
    "small": ("ten", 20),
    "abrupt": ("ten", 5),
    "gradual": ("ten", 12),
    "recurring": ("ten", 13),
    "seasonal": ("ten", 16),
    "one_of_fifty": ("fifty", 5),
    "segment": ("ten", 5),
    "label_shift": ("ten", 5),
    "concept": ("ten", 5),
    "weather_stable": ("weather", 20),
    "weather_season": ("weather", 5),
}
"""Stream -> its world, and how many windows an episode has."""


def play(stream: str, seed: int, *, peers: bool) -> dict[str, list[tuple[bool, bool]]]:
    """Play one episode: of each side, (drifted, alarm) of every window."""
    here, reference, ours = sides(STREAMS[stream][0])
    random = np.random.default_rng([seed, len(stream)])
    windows = globals()[stream](here, random)
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
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    wanted = options.streams.split(",") if options.streams else list(STREAMS)
    if not (DATA / "nyc_weather.csv").exists():
        wanted = [stream for stream in wanted if STREAMS[stream][0] != "weather"]
    goal = QUICK if options.quick else GOAL
    table, tallies = [], {}
    with ProcessPoolExecutor(options.workers) as pool:
        for stream in wanted:
            home, length = STREAMS[stream]
            episodes = max(goal // length, 2)
            with_evidently = max(episodes // 10, 1) if home == "fifty" else episodes  # it takes seconds for each window
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
