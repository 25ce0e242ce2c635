"""Functions as a workflow names them: PyTorch, LightGBM, and some that go wrong."""

from __future__ import annotations

import logging
import random
import sys
import time

import lightgbm
import numpy as np
import pandas as pd  # noqa: TC002 (annotations say which form of table is given)
import polars as pl  # noqa: TC002 (as above)
import torch
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier


class Net:
    """A small network that saves itself as its state and loads it without running code from the file."""

    def __init__(self, columns, classes, width, mean=None, scale=None):
        self.columns, self.classes_ = list(columns), np.asarray(classes)
        self.mean = torch.zeros(len(columns)) if mean is None else mean
        self.scale = torch.ones(len(columns)) if scale is None else scale
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(len(columns), width), torch.nn.ReLU(), torch.nn.Linear(width, len(classes))
        )

    def _scores(self, frame):
        rows = torch.tensor(frame[self.columns].to_numpy(dtype="float32"))
        return self.layers((rows - self.mean) / self.scale)

    def predict_proba(self, frame):
        with torch.no_grad():
            return torch.softmax(self._scores(frame), dim=1).numpy()

    def predict(self, frame):
        return self.classes_[self.predict_proba(frame).argmax(axis=1)]

    def save(self, folder):
        about = {"columns": self.columns, "classes": self.classes_.tolist(), "width": self.layers[0].out_features}
        scaling = {"mean": self.mean, "scale": self.scale}
        torch.save({**about, **scaling, "layers": self.layers.state_dict()}, folder / "net.pt")

    @classmethod
    def load(cls, folder):
        held = torch.load(folder / "net.pt", weights_only=True)
        net = cls(held["columns"], held["classes"], held["width"], held["mean"], held["scale"])
        net.layers.load_state_dict(held["layers"])
        return net


def fit_net(table: pd.DataFrame, target, features, parameters, progress):
    rows = torch.tensor(table[features].to_numpy(dtype="float32"))
    classes = sorted(table[target].unique())
    truth = torch.tensor(np.searchsorted(classes, table[target]))
    net = Net(features, classes, parameters.get("width", 8), rows.mean(dim=0), rows.std(dim=0))
    optimizer = torch.optim.Adam(net.layers.parameters(), lr=0.05)
    rounds = parameters.get("rounds", 60)
    for done in range(rounds):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net._scores(table), truth)
        loss.backward()
        optimizer.step()
        progress(done + 1, rounds, float(loss))
    return net


class Booster:
    """A LightGBM booster, saved in LightGBM's own text format."""

    def __init__(self, booster):
        self.booster = booster

    def predict(self, frame):
        return self.booster.predict(frame.to_numpy())

    def save(self, folder):
        self.booster.save_model(folder / "booster.txt")

    @classmethod
    def load(cls, folder):
        return cls(lightgbm.Booster(model_file=folder / "booster.txt"))


def fit_booster(table, target, features, parameters, seed, weights):
    frame = table.to_pandas()
    data = lightgbm.Dataset(frame[features], frame[target], weight=weights)
    settings = {"seed": seed, "deterministic": True, "force_col_wise": True, "verbosity": -1, **parameters}
    return Booster(lightgbm.train(settings, data, num_boost_round=20))


def fit_everything(rows: pl.DataFrame, **given):
    everything = {"target", "features", "parameters", "seed", "weights", "query", "timestamp", "season", "progress"}
    assert set(given) == everything
    return DummyClassifier().fit(rows[given["features"]].to_pandas(), rows[given["target"]].to_pandas())


def fit_on_validation(table, validation: pd.DataFrame, target, features):
    return DecisionTreeClassifier(random_state=0).fit(validation[features], validation[target])


def draws(table: pd.DataFrame, target, features):
    model = DecisionTreeClassifier(random_state=0).fit(table[features], table[target])
    model.drawn = [random.random(), float(np.random.rand()), float(torch.rand(1))]  # noqa: NPY002 (drawn globally)
    return model


def raises(table):
    shape = {"rows": table.num_rows}
    return shape["columns"]


def chatters(table, target, features):
    print("connecting with", "hunter-two-2", file=sys.stderr)  # noqa: T201 (as code of a workflow does)
    print("half of it: hunter", end="")  # noqa: T201 (as above)
    print("-two-2")  # noqa: T201 (as above)
    logging.getLogger("mine").warning("the password is %s", "hunter-two-2")
    raise ValueError("login hunter-two-2 was refused")


def exits(table):
    sys.exit(0)


def returns_a_number(table):
    return 42


class Wrong:
    """Answers one row less."""

    def predict(self, frame):
        return np.zeros(len(frame) - 1)

    save = load = None


def fit_wrong(table):
    return Wrong()


class Lost:
    """Has nothing that could be saved."""

    def predict(self, frame):
        return np.zeros(len(frame))


def fit_lost(table):
    return Lost()


def wants_more(table, targets):
    return None


def never_ends(table):
    while True:
        time.sleep(60)
