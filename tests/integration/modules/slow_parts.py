"""User code for the kill tests: the first call of `fit` waits to be killed, the next one fits at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sklearn.linear_model import LogisticRegression


def fit(table, target, features, parameters, seed):
    mark = Path(parameters["mark"])
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        time.sleep(300)
    frame = table.to_pandas()
    return LogisticRegression(max_iter=1000).fit(frame[features], frame[target])
