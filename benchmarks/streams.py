"""Streams with known truth: what moves in them, when, and what that costs a fitted model.

A logistic regression is fitted on 20,000 rows of ten columns whose target is not linear in them. A drift moves some
columns (how many and which way is drawn for every episode) by the size at which this fitted model loses 2 points of
accuracy, found by bisection on 20,000 rows; directions that cost less than that at four standard deviations are drawn
again. Two streams are real, where `nyc_weather.csv` is there: hours of one January, and the same followed by other
months.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, FITTED = 1_000, 20_000
COST = 0.02
FARTHEST = 4.0
DATA = Path(os.environ.get("MLOPS_BENCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


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


STREAMS: dict[str, tuple[Callable[..., list[Window]], str, int]] = {
    "stable": (stable, "ten", 20),
    "small": (small, "ten", 20),
    "abrupt": (abrupt, "ten", 5),
    "gradual": (gradual, "ten", 12),
    "recurring": (recurring, "ten", 13),
    "seasonal": (seasonal, "ten", 16),
    "one_of_fifty": (one_of_fifty, "fifty", 5),
    "segment": (segment, "ten", 5),
    "label_shift": (label_shift, "ten", 5),
    "concept": (concept, "ten", 5),
    "weather_stable": (weather_stable, "weather", 20),
    "weather_season": (weather_season, "weather", 5),
}
"""Stream -> what draws an episode, its world, and how many windows an episode has."""
