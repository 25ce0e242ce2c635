"""Garbage: what nothing needs goes, and nothing else."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from mlops_dag_factory.spec import DeploySpec, IngestSpec, SplitSpec
from mlops_provider.exceptions import ServiceError
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.garbage import find_garbage, remove_garbage
from mlops_provider.store.versions import latest_version

NOW = timedelta(0)


def collect(bench, **options):
    return remove_garbage(bench.store, find_garbage(bench.store, "flow", grace=NOW, **options), grace=NOW)


def publish_orphan(bench, text="nobody's"):
    with bench.store.scratch() as folder:
        (folder / "a.txt").write_text(text)
        return bench.store.publish("flow", "reports", folder, {})


def test_what_a_record_names_stays_and_what_nobody_names_goes(bench):
    model, train, test = bench.model()
    orphan = publish_orphan(bench)

    removed = collect(bench)

    assert [each.key for each in removed] == [bench.store.key(orphan.uri)]
    assert "nothing needs it" in removed[0].why
    assert len(read_frame(bench.store, train)) + len(read_frame(bench.store, test)) == 150
    bench.store.open(model, verify=True)
    assert collect(bench) == []


def test_a_publication_on_its_way_stays_and_a_torn_one_goes_later(bench):
    orphan = publish_orphan(bench)
    bench.store.files.delete(f"{bench.store.key(orphan.uri)}/manifest.json")

    assert find_garbage(bench.store, "flow") == []
    [torn] = find_garbage(bench.store, "flow", grace=NOW)
    assert torn.why == "its publication was cut short"


def test_what_is_published_again_meanwhile_stays(bench):
    orphan = publish_orphan(bench)
    manifest = bench.store.files.path(f"{bench.store.key(orphan.uri)}/manifest.json")
    for file in (manifest, manifest.with_name("a.txt")):
        os.utime(file, (0, 0))
    found = find_garbage(bench.store, "flow")
    assert len(found) == 1

    publish_orphan(bench)

    assert remove_garbage(bench.store, found) == []


def test_old_runs_let_go_but_models_services_and_latest_versions_do_not(bench):
    old = bench.dataset("sklearn:wine")
    model, train, _ = bench.model("sklearn:iris")
    version = bench.version(model)
    with pytest.raises(ServiceError):  # no server runs here: the deployment record is made, then taken back
        bench.run(DeploySpec(model="m", wait="1s"), {"model": version})
    unused = bench.run(SplitSpec(data="d", seed=99), {"data": old}, phase="experiment").outputs
    latest = bench.run(IngestSpec(source="sklearn:diabetes"), phase="rows").outputs["data"]

    removed = {each.key.rsplit("/", 1)[1] for each in collect(bench, keep=NOW)}

    needed = {ref.digest[:20] for ref in (model, train, latest)}
    assert not needed & removed
    assert latest_version(bench.store, "flow", "rows.data").ref == latest
    assert len(read_frame(bench.store, train)) == 105, "the data behind the model is there, with what it is a part of"
    assert {ref.digest[:20] for ref in unused.values()} & removed == set(), "they are the latest of their names"
    for ref in (model, latest):
        bench.store.open(ref, verify=True)


def test_an_older_version_of_old_runs_goes(bench):
    (bench.root / "a.csv").write_text("n\n1\n")
    first = bench.dataset("a.csv")
    (bench.root / "a.csv").write_text("n\n2\n")
    second = bench.run(IngestSpec(source="a.csv"), run_id="run-2").outputs["data"]

    assert collect(bench) == []
    assert [each.key.rsplit("/", 1)[1] for each in collect(bench, keep=NOW)] == [first.digest[:20]]
    bench.store.open(second, verify=True)
