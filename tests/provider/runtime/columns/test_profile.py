"""Profiles add up, keep what they are given, and do not depend on who reads them."""

from __future__ import annotations

import decimal
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_provider.exceptions import DataError
from mlops_provider.runtime.columns.files import read_profiles, write_profiles
from mlops_provider.runtime.columns.profile import MOST_CATEGORIES, merge
from mlops_provider.runtime.columns.sampling import resample
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.columns.scores import quantiles
from mlops_provider.runtime.table import connect

numbers = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64) | st.integers(-20, 20).map(float))
words = st.lists(st.sampled_from(["a", "b", "Ünïcode", "", "d e"]) | st.none())

OF_KIND = {
    "time": (st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")), "datetime64[us]"),
    "boolean": (st.booleans(), "boolean"),
    "text": (st.text("aBc ,.ü", max_size=12), "string"),
}


def same(left, right):
    """Say whether two profiles are one, their sums to the last digits."""
    exact = ("kind", "rows", "missing", "infinite", "wrong", "centre", "categories", "other")
    assert {name: getattr(left, name) for name in exact} == {name: getattr(right, name) for name in exact}
    assert left.bins.tolist() == right.bins.tolist()
    assert left.counts.tolist() == right.counts.tolist()
    np.testing.assert_allclose(left.sums, right.sums, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(left.squares, right.squares, rtol=1e-9, atol=1e-300)
    np.testing.assert_equal([left.minimum, left.maximum], [right.minimum, right.maximum])
    return True


@settings(max_examples=40, deadline=None)
@given(first=numbers, second=numbers, third=numbers)
def test_numbers_profiled_in_parts_add_up_to_the_whole_in_any_order(profiled, first, second, third):
    whole = profiled(pd.Series([*first, *second, *third], dtype=float))
    parts = [profiled(pd.Series(part, dtype=float), like=whole) for part in (first, second, third)]

    assert same(merge(parts), whole)
    assert same(merge([merge(parts[:2]), parts[2]]), merge([parts[0], merge(parts[1:])]))
    assert merge(parts[:2]).digest == merge(parts[1::-1]).digest or not (first and second)


def test_numbers_too_small_for_a_bin_of_their_own_share_one(profiled):
    profile = profiled([5e-324, 1e-310, -5e-324, 0.0, 1.0, 1.0, 0.0, 0.0])

    assert profile.counts.sum() == 8
    assert len(set(profile.bins.tolist())) == len(profile.bins)


@settings(max_examples=20, deadline=None)
@given(first=words, second=words)
def test_categories_profiled_in_parts_add_up_to_the_whole(profiled, first, second):
    whole = profiled(pd.Series([*first, *second], dtype="string"), "category")
    parts = [profiled(pd.Series(part, dtype="string"), "category") for part in (first, second)]

    assert same(merge(parts), whole)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["time", "boolean", "text"]))
def test_times_booleans_and_texts_profiled_in_parts_add_up_to_the_whole(profiled, data, kind):
    values, dtype = OF_KIND[kind]
    sides = [data.draw(st.lists(values | st.none(), max_size=30)) for _ in range(3)]
    whole = profiled(pd.Series([*sides[0], *sides[1], *sides[2]], dtype=dtype), kind)
    parts = [profiled(pd.Series(side, dtype=dtype), kind, like=whole) for side in sides]

    assert same(merge(parts), whole)
    assert same(merge([parts[2], merge(parts[:2])]), whole)


@settings(max_examples=25, deadline=None)
@given(values=numbers, texts=words)
def test_writing_and_reading_is_identity(profiled, tmp_path_factory, values, texts):
    profiles = {
        "a number": profiled(pd.Series(values, dtype=float)),
        "a category": profiled(pd.Series(texts, dtype="string"), "category"),
        "a text": profiled(pd.Series(texts, dtype="string"), "text"),
    }
    folder = tmp_path_factory.mktemp("profiles")

    for name in ("one.parquet", "two.parquet"):
        write_profiles(folder / name, profiles)
    back = read_profiles(folder / "one.parquet")

    assert {name: profile.digest for name, profile in back.items()} == {n: p.digest for n, p in profiles.items()}
    assert (folder / "one.parquet").read_bytes() == (folder / "two.parquet").read_bytes()


def test_mean_deviation_and_quantiles_are_numpys(profiled, data_folder):
    values = pd.read_csv(data_folder / "nyc_weather.csv").select_dtypes("number").iloc[:, 0]
    shares = (0.01, 0.25, 0.5, 0.75, 0.99)

    profile = profiled(values)

    assert profile.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert profile.deviation == pytest.approx(np.std(values), rel=1e-9)
    assert (profile.minimum, profile.maximum) == (values.min(), values.max())
    assert quantiles(profile, shares) == pytest.approx(
        np.quantile(values, shares, method="inverted_cdf"), abs=np.ptp(values) / 400
    )


def test_missing_infinite_and_wrong_values_are_counted_apart(profiled):
    numbers = profiled(pd.Series([1.0, math.nan, math.inf, -math.inf, 1e300, 3.0]))
    texts = profiled(pd.Series(["1", "2.5", "many", None, "nan"], dtype="string"))

    assert (numbers.rows, numbers.missing, numbers.infinite, numbers.wrong) == (6, 1, 3, 0)
    assert (numbers.minimum, numbers.maximum, numbers.values) == (1.0, 3.0, 2)
    assert (texts.rows, texts.missing, texts.infinite, texts.wrong) == (5, 2, 0, 1)
    assert texts.mean == pytest.approx(1.75)


def test_every_type_of_a_column_is_profiled_as_what_it_means(profiled):
    moments = pd.Series(pd.to_datetime(["2026-01-01", "2026-01-02", None]))
    assert profiled(moments, "time").maximum == pd.Timestamp("2026-01-02").timestamp()
    assert profiled(pd.Series([True, False, None], dtype="boolean"), "boolean").categories == {"false": 1, "true": 1}
    assert profiled(pd.Series(["True", "false", "1"]), "boolean").categories == {"true": 2, "false": 1}
    assert profiled(pd.Series([1, None, 3], dtype="Int64")).missing == 1
    assert profiled(pd.Series([decimal.Decimal("1.25"), decimal.Decimal("2.50")])).mean == pytest.approx(1.875)
    assert profiled(pd.Series([3.0, 3.0, 4.5]), "category").categories == {"3": 2, "4.5": 1}
    text = profiled(pd.Series(["Two words", "two MORE words", None]), "text")
    assert (text.missing, text.categories, text.maximum) == (1, {"two": 2, "words": 2, "more": 1}, 14)


def test_of_many_categories_the_most_frequent_are_named(profiled):
    values = [f"often {i % 100}" for i in range(1000)] + [f"once {i:06}" for i in range(MOST_CATEGORIES)]

    profile = profiled(pd.Series(values), "category")

    assert len(profile.categories) == MOST_CATEGORIES
    assert profile.other == 100
    assert sum(profile.categories.values()) + profile.other == profile.rows
    assert all(profile.categories[f"often {i}"] == 10 for i in range(100))


def test_profiles_around_other_centres_do_not_add_up(profiled):
    with pytest.raises(DataError, match="does not add to"):
        merge([profiled([1.0, 2.0, 3.0]), profiled([5.0, 6.0, 7.0])])


def test_no_rows_and_columns_that_are_not_there_are_no_error(profiled):
    empty = profiled(pd.Series([], dtype=float))

    assert (empty.rows, empty.values, empty.missing_share) == (0, 0, 0.0)
    assert math.isnan(empty.mean)
    assert math.isnan(quantiles(empty, (0.5,))[0])
    with connect() as connection:
        assert profile_columns(connection, "(SELECT 1 AS a)", {"b": "number"}) == {}


def test_the_same_file_gives_the_same_profile_on_one_thread_and_on_two(tmp_path):
    generator = np.random.default_rng(0)
    table = pa.table({f"c{i}": generator.normal(size=50_000) for i in range(6)})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=7_000)
    source = f"read_parquet('{tmp_path / 'rows.parquet'}')"

    digests = []
    for threads in (1, 2, 4):
        with connect() as connection:
            connection.execute(f"SET threads = {threads}")
            found = profile_columns(connection, source, dict.fromkeys(table.column_names, "number"))
            digests.append({name: profile.digest for name, profile in found.items()})
            assert connection.execute("SELECT current_setting('threads')").fetchone() == (threads,)

    assert digests[0] == digests[1] == digests[2]


def test_a_drawn_window_looks_like_what_it_was_drawn_from(profiled):
    generator = np.random.default_rng(7)
    values = pd.Series(np.where(generator.random(20_000) < 0.1, np.nan, generator.normal(50, 3, 20_000)))
    profile = profiled(values)
    category = profiled(pd.Series(["a"] * 900 + ["b"] * 100 + [None] * 100), "category")

    window = resample(profile, 5_000, generator)
    drawn = resample(category, 11_000, generator)

    assert (window.rows, drawn.rows) == (5_000, 11_000)
    assert window.missing == pytest.approx(500, abs=100)
    assert window.mean == pytest.approx(50, abs=0.3)
    assert window.deviation == pytest.approx(3, abs=0.15)
    assert drawn.categories["a"] == pytest.approx(9_000, abs=200)
    assert drawn.missing == pytest.approx(1_000, abs=150)
    assert resample(profile, 100, np.random.default_rng(1)).digest == (
        resample(profile, 100, np.random.default_rng(1)).digest
    )
