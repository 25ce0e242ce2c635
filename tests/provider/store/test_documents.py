"""Documents: one writer wins a revision, nothing is lost."""

from __future__ import annotations

import multiprocessing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_provider.exceptions import ConflictError
from mlops_provider.store.documents import history, read_document, write_document
from mlops_provider.store.store import Store


def test_a_document_keeps_its_history(tmp_path):
    store = Store(tmp_path)
    assert read_document(store, "doc").revision == 0

    first = write_document(store, "doc", {"n": 1}, after=0)
    write_document(store, "doc", {"n": 2}, after=first.revision)

    assert read_document(store, "doc").data == {"n": 2}
    assert [document.data["n"] for document in history(store, "doc")] == [1, 2]


@pytest.mark.parametrize("where", ["local", "memory", "s3"])
def test_a_writer_who_saw_an_older_revision_is_told(tmp_path, request, where):
    urls = {"local": str(tmp_path), "memory": f"memory://{tmp_path.name}"}
    store = Store(urls.get(where) or f"{request.getfixturevalue('bucket')}/{tmp_path.name}")
    write_document(store, "doc", {"n": 1}, after=0)

    with pytest.raises(ConflictError, match="no longer at revision 0"):
        write_document(store, "doc", {"n": 9}, after=0)
    assert read_document(store, "doc").data == {"n": 1}


def count_up(root, times):
    store = Store(root)
    for _ in range(times):
        while True:
            document = read_document(store, "doc")
            try:
                write_document(store, "doc", {"n": document.data.get("n", 0) + 1}, after=document.revision)
            except ConflictError:
                continue
            break


def test_eight_writers_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=count_up, args=(tmp_path, 25)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    document = read_document(Store(tmp_path), "doc")
    assert (document.revision, document.data["n"]) == (200, 200)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=4), max_size=6))
def test_the_last_of_any_revisions_is_read(tmp_path_factory, revisions):
    store = Store(tmp_path_factory.mktemp("store"))
    for number, data in enumerate(revisions):
        write_document(store, "doc", data, after=number)

    assert read_document(store, "doc").data == (revisions[-1] if revisions else {})
    assert [document.data for document in history(store, "doc")] == revisions
