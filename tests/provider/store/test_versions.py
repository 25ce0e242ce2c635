"""Versions: every writer gets one, none is lost, a retry adds none."""

from __future__ import annotations

import multiprocessing

import pytest

from mlops_provider.exceptions import NotFoundInStoreError
from mlops_provider.refs import DatasetRef
from mlops_provider.store.store import Store
from mlops_provider.store.versions import add_version, all_versions, dataset_names, latest_version


def add(root, run, digest="a" * 64):
    store = Store(root)
    ref = DatasetRef(uri=store.uri(f"flow/datasets/{digest[:20]}"), digest=digest, rows=3)
    return add_version(store, "flow", "rows.data", ref, run=run, owner="ana", at="2026-01-01T00:00:00+00:00")


def add_many(root, writer):
    for number in range(20):
        add(root, f"{writer}-{number}")


def test_the_last_is_the_latest_and_a_retry_adds_none(tmp_path):
    first, again, second = add(tmp_path, "r1"), add(tmp_path, "r1"), add(tmp_path, "r2", "b" * 64)

    assert (first.number, again.number, second.number) == (1, 1, 2)
    assert latest_version(Store(tmp_path), "flow", "rows.data") == second
    assert dataset_names(Store(tmp_path), "flow") == ["rows.data"]


def test_two_writers_at_once_both_get_their_versions(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add_many, args=(tmp_path, writer)) for writer in "xyz"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    versions = all_versions(Store(tmp_path), "flow", "rows.data")
    assert [version.number for version in versions] == list(range(1, 61))
    assert len({version.run for version in versions}) == 60


def test_a_dataset_that_nobody_made_is_named(tmp_path):
    with pytest.raises(NotFoundInStoreError, match="dataset rows"):
        latest_version(Store(tmp_path), "flow", "rows.data")


def test_versions_live_on_s3_too(bucket):
    root = f"{bucket}/versions"
    add(root, "r1")
    add(root, "r2", "b" * 64)

    assert [version.run for version in all_versions(Store(root), "flow", "rows.data")] == ["r1", "r2"]
