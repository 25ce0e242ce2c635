"""Publication: whole or not at all, once, and believed only with its digest."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time

import pytest

from mlops_provider.exceptions import DigestMismatchError, NotFoundInStoreError, StoreError
from mlops_provider.refs import ReportRef
from mlops_provider.store.store import Store


def publish(store, content=b"hello", name="a.txt"):
    with store.scratch() as folder:
        (folder / name).write_bytes(content)
        published = store.publish("flow", "reports", folder, {"made": "by a test"})
    return ReportRef(uri=published.uri, digest=published.digest)


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    return Store(tmp_path / "store" if request.param == "local" else f"memory://{tmp_path.name}")


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


def publish_for_ever(root, seed):
    store, number = Store(root), random.Random(seed)
    while True:
        publish(store, bytes(number.randrange(256) for _ in range(50_000)))


@pytest.mark.kill
@pytest.mark.timeout(120)
def test_a_killed_publication_is_whole_or_absent(tmp_path):
    store, chance = Store(tmp_path), random.Random(4)
    for seed in range(40):
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
    assert len(names) >= 40
    assert whole
    for name in whole:
        digest = json.loads(store.files.read(f"flow/reports/{name}/manifest.json"))["digest"]
        store.open(ReportRef(uri=store.uri(f"flow/reports/{name}"), digest=digest), verify=True)
    for name in set(names) - set(whole):
        with pytest.raises(NotFoundInStoreError):
            store.open(ReportRef(uri=store.uri(f"flow/reports/{name}"), digest="0" * 64))
