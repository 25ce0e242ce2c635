"""The camera of the demo: takes pictures of digits, ages, asks the service, and people later say what was right."""

from __future__ import annotations

import csv
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.metrics import precision_score

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 8
WHITE = 16.0


def degrade(pictures: np.ndarray, wear: float, random: np.random.Generator) -> np.ndarray:
    """Turn, blur and disturb pictures (n x 64 grey values, 0 to 16); `wear` goes from 0 (new) to 1 (broken)."""
    images = pictures.reshape(-1, SIDE, SIDE)
    images = ndimage.rotate(images, angle=90 * wear, axes=(1, 2), reshape=False, order=1)
    images = ndimage.gaussian_filter(images, sigma=(0, 0.6 * wear, 0.6 * wear))
    images = images + random.normal(0, 1.5 * wear, images.shape)
    return np.clip(images, 0, WHITE).reshape(len(pictures), SIDE * SIDE)


@dataclass
class Camera:
    """Sends pictures to a service and keeps what was asked and answered."""

    url: str
    wear: float = 0.0
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def __post_init__(self) -> None:
        """Load the digits."""
        digits = load_digits()
        self.names = list(digits.feature_names)
        self.pictures, self.truth = digits.data, digits.target
        self.client = httpx.Client(timeout=30)

    def shoot(self, count: int, batch: int = 10) -> Shots:
        """Take pictures and ask the service about them, some at a time."""
        shots = Shots()
        chosen = self.random.integers(0, len(self.pictures), count)
        pictures = degrade(self.pictures[chosen], self.wear, self.random)
        for start in range(0, count, batch):
            rows = slice(start, start + batch)
            request_id = f"shot-{uuid.uuid4().hex}"
            body = {"dataframe_split": {"columns": self.names, "data": pictures[rows].tolist()}}
            response = self.client.post(f"{self.url}/invocations", json=body, headers={"X-Request-Id": request_id})
            predicted = response.raise_for_status().json()["predictions"]
            truth = self.truth[chosen[rows]].tolist()
            for row, (answer, right) in enumerate(zip(predicted, truth, strict=True)):
                shots.rows.append((request_id, row, int(answer), int(right)))
        return shots


@dataclass
class Shots:
    """Pictures taken: request id, row, the service's answer, the truth."""

    rows: list[tuple[str, int, int, int]] = field(default_factory=list)

    def precision(self) -> float:
        """Give the precision, averaged over the ten digits."""
        answers, truths = [row[2] for row in self.rows], [row[3] for row in self.rows]
        return float(precision_score(truths, answers, average="macro", zero_division=0))

    def deliver_labels(self, folder: Path) -> Path:
        """Write what was right to a CSV file, whole or not at all: the labels that people deliver later."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"labels-{uuid.uuid4().hex[:8]}.csv"
        aside = file.with_suffix(".part")
        with aside.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["request_id", "row", "target"])
            writer.writerows((request_id, row, right) for request_id, row, _, right in self.rows)
        return aside.replace(file)
