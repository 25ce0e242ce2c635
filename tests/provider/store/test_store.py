"""Publication: whole or not at all, once, and believed only with its digest."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from mlops_provider.exceptions import DigestMismatchError, NotFoundInStoreError, StoreError
from mlops_provider.refs import DatasetRef, ReportRef
from mlops_provider.store.store import Store
from mlops_provider.store.versions import add_version, all_versions


def publish(store, content=b"hello", name="a.txt"):
    with store.scratch() as folder:
        (folder / name).write_bytes(content)
        published = store.publish("flow", "reports", folder, {"made": "by a test"})
    return ReportRef(uri=published.uri, digest=published.digest)


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return Store(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")
    return Store(tmp_path / "store" if request.param == "local" else f"memory://{tmp_path.name}")


def test_no_key_leads_out_of_its_folder(store):
    store.files.create("other/secret.json", b"{}")

    assert store.files.list("flow/runs/../../other") == []
    with pytest.raises(FileNotFoundError):
        store.files.read("flow/../other/secret.json")
    with pytest.raises(FileNotFoundError):
        store.files.create("flow/../other/more.json", b"{}")


def test_what_is_published_is_read_back(store):
    ref = publish(store)

    content = store.open(ref, verify=True)
    assert content.files()[0].read_bytes() == b"hello"
    assert content.meta == {"made": "by a test"}


def test_the_same_content_is_published_once(store):
    assert publish(store) == publish(store)
    assert publish(store) != publish(store, b"other")
    assert publish(store) != publish(store, name="b.txt")


def test_changed_content_is_found(tmp_path):
    store = Store(tmp_path)
    ref = publish(store)
    store.open(ref).files()[0].write_bytes(b"HELLO")

    with pytest.raises(DigestMismatchError, match=r"a\.txt has digest"):
        store.open(ref, verify=True)


def test_publishing_again_mends_what_was_changed(tmp_path):
    store = Store(tmp_path)
    ref = publish(store)
    store.open(ref).files()[0].write_bytes(b"HELLO")

    publish(store)

    assert store.open(ref, verify=True).files()[0].read_bytes() == b"hello"


def test_a_reference_with_another_digest_is_refused(store):
    ref = publish(store)

    with pytest.raises(DigestMismatchError):
        store.open(ReportRef(uri=ref.uri, digest="0" * 64))


def test_what_is_not_there_is_named(store):
    with pytest.raises(NotFoundInStoreError, match="reports/none does not exist"):
        store.open(ReportRef(uri=store.uri("flow/reports/none"), digest="0" * 64))


def test_a_store_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreError, match="cannot be written"):
        publish(Store(tmp_path / "file" / "store"))


def test_a_full_or_read_only_store_loses_nothing(tmp_path):
    script = """
import resource, sys
from mlops_provider.exceptions import StoreError
from mlops_provider.store.store import Store
from mlops_provider.store.versions import add_version, all_versions
store = Store(sys.argv[1])
if sys.argv[2] == "full":
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with store.scratch() as folder:
        try:
            (folder / "a.txt").write_bytes(b"x" * 900)
            (folder / "b.txt").write_bytes(b"y" * 900)
        except OSError as err:
            raise StoreError(str(err))
        store.publish("flow", "reports", folder, {"long": "m" * 5000})
except StoreError as err:
    print("said:", err)
"""
    store = Store(tmp_path / "store")
    ref = publish(store)
    whole = subprocess.run(
        [sys.executable, "-c", script, store.url, "full"], capture_output=True, text=True, check=True
    )
    assert "cannot be written" in whole.stdout
    for folder in (tmp_path, *(tmp_path / "store").rglob("*")):
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    nobody = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*nobody, sys.executable, "-c", script, store.url, "read-only"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "cannot be written" in refused.stdout or "Permission denied" in refused.stderr

    assert store.open(ref, verify=True).files()[0].read_bytes() == b"hello"
    published = [
        name for name in store.files.list("flow/reports") if store.files.exists(f"flow/reports/{name}/manifest.json")
    ]
    assert published == [ref.digest[:20]]


def test_what_killed_processes_left_is_swept_up_later(tmp_path):
    store = Store(tmp_path)
    with store.scratch() as folder:
        left = folder.with_name("tmpleft")
        left.mkdir()
        (left / "part.parquet").write_bytes(b"half")
        assert store.clean_scratch(older_than=3600) == 0
        os.utime(left, (0, 0))
        assert store.clean_scratch(older_than=3600) == 1
        assert folder.exists()
    assert not left.exists()


def publish_for_ever(root, seed):
    store, number = Store(root), random.Random(seed)
    while True:
        ref = publish(store, bytes(number.randrange(256) for _ in range(50_000)))
        dataset = DatasetRef(uri=ref.uri, digest=ref.digest, rows=1)
        add_version(store, "flow", "rows.data", dataset, run=ref.digest, owner="ana", at="now")


@pytest.mark.kill
@pytest.mark.timeout(300)
def test_of_200_killed_publications_each_is_whole_or_absent_and_no_version_is_lost(tmp_path):
    store, chance = Store(tmp_path), random.Random(4)
    for seed in range(200):
        before = len(store.files.list("flow/reports"))
        child = multiprocessing.get_context("fork").Process(target=publish_for_ever, args=(tmp_path, seed))
        child.start()
        while len(store.files.list("flow/reports")) == before:  # it is at work
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child.pid, signal.SIGKILL)
        child.join()

    names = store.files.list("flow/reports")
    whole = [name for name in names if store.files.exists(f"flow/reports/{name}/manifest.json")]
    assert len(names) >= 200
    assert whole
    for name in whole:
        digest = json.loads(store.files.read(f"flow/reports/{name}/manifest.json"))["digest"]
        store.open(ReportRef(uri=store.uri(f"flow/reports/{name}"), digest=digest), verify=True)
    for name in set(names) - set(whole):
        with pytest.raises(NotFoundInStoreError):
            store.open(ReportRef(uri=store.uri(f"flow/reports/{name}"), digest="0" * 64))
    versions = all_versions(store, "flow", "rows.data")
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert {version.ref.digest[:20] for version in versions} <= set(whole)
    assert len(whole) - len(versions) <= 200, "a kill may fall between a publication and its version, once each"
    for version in versions:
        store.open(version.ref, verify=True)
