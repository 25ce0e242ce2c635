"""Functions that train, and leave a mark in a file for each fit."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def _mark(parameters):
    with Path(os.environ["TUNE_MARKS"]).open("a") as file:
        file.write(f"{os.getpid()} {parameters['depth']}\n")


def tree(table, *, target, features, parameters, seed):
    """Fit a tree after a nap; `depth` is its depth."""
    from sklearn.tree import DecisionTreeClassifier

    time.sleep(parameters.get("nap", 0))
    frame = table.to_pandas()
    model = DecisionTreeClassifier(max_depth=parameters["depth"], random_state=seed)
    model.fit(frame[list(features)], frame[target])
    _mark(parameters)
    return model


def deadly(table, *, target, features, parameters, seed):
    """Fit a tree, but kill the process at depth 3, as the system does when memory runs out."""
    if parameters["depth"] == 3:
        _mark(parameters)
        os.kill(os.getpid(), signal.SIGKILL)
    return tree(table, target=target, features=features, parameters=parameters, seed=seed)
