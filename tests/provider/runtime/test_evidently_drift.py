"""Evidently's page of a drift: every column that was scored is on it, the right way round, and its JSON is JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.comparison import Wanted, compare_columns
from mlops_provider.runtime.evidently_drift import ROWS_FILE, draw, keep_rows, snapshot
from mlops_provider.runtime.table import connect

KINDS = {
    "day": "time", "same": "number", "word": "category", "flag": "boolean", "many": "category", "note": "text",
    "huge": "number", "rare": "number", "infinite": "number", "price": "number",
}  # fmt: skip


def side(seed, moved):
    """Give 3,000 rows of columns that Evidently takes badly, and of one that it takes well."""
    generator, rows = np.random.default_rng(seed), 3_000
    return pd.DataFrame(
        {
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows) + 9_000 * moved, unit="h"),
            "same": 1.0 + moved,
            "word": ["before", "after"][moved],
            "flag": np.arange(rows) % (2 + moved) == 0,
            "many": [f"v{number % 2_999}" for number in range(rows)],
            "note": [f"number {number} is <b>late</b>" for number in range(rows)],
            "huge": generator.normal(0, 1e18, rows) if moved else np.full(rows, 1e18),
            "rare": [np.nan] * (rows - 1) + [1.0 + moved],
            "infinite": np.where(np.arange(rows) < 2_000, np.inf, generator.normal(size=rows)),
            "price": generator.normal(moved, 1, rows),
        }
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Compare two sides and keep their samples; give the comparison and the file."""
    folder, profiles, sides = tmp_path_factory.mktemp("drift"), [], [side(0, 0), side(1, 1)]
    for one in sides:
        centres = {name: profile.centre for name, profile in profiles[0].items()} if profiles else None
        with connect() as connection:
            connection.register("side", one)
            profiles.append(profile_columns(connection, "side", KINDS, centres))
    columns = {"day": Wanted("wasserstein", 0.1)}
    compared = compare_columns(*profiles, KINDS, default=Wanted(), columns=columns)
    keep_rows(folder, *sides, compared, *profiles)
    return compared, folder / ROWS_FILE


@pytest.fixture(scope="module")
def made(kept):
    return snapshot(kept[1])


def test_a_column_that_evidently_cannot_draw_loses_none_of_the_others(kept, tmp_path):
    compared, file = kept
    assert compared.scores.keys() == KINDS.keys()

    draw(file, tmp_path)

    content = json.loads(
        (tmp_path / "evidently.json").read_text(), parse_constant=lambda text: pytest.fail(f"{text} is no JSON")
    )
    assert {metric["config"]["column"]: metric["value"] for metric in content["metrics"]} == compared.scores
    assert len(content["tests"]) == len(KINDS)
    assert "<b>late" not in (tmp_path / "raw.html").read_text()


def test_the_baseline_is_the_reference_and_the_window_is_current(made):
    [result] = [one for one in made.metric_results.values() if "word" in str(one.display_name)]
    [plot] = [tab.widget.params["data"] for widget in result.widget for tab in widget.tabs]

    shown = {trace["name"]: [str(value) for value in trace["x"]] for trace in plot}

    assert shown == {"reference": ["before"], "current": ["after"]}
