"""The audit chain: nothing is lost by writers at the same moment, and nobody changes it unnoticed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_provider.exceptions import ChainError
from mlops_provider.store.chain import Chain, Entry
from mlops_provider.store.chain_check import Witness, check_chain
from mlops_provider.store.store import Store, json_bytes


def entry(subject="model/rain", kind="registered", **payload):
    return Entry(kind=kind, subject=subject, workflow="rain", by="ana", run="r", at="2026-01-01", payload=payload)


def add(chain, subject="model/rain", **payload):
    return chain.append(subject, lambda _: entry(subject, **payload))


@pytest.fixture
def chain(tmp_path):
    return Chain(Store(tmp_path), "rain")


@pytest.mark.parametrize("where", ["local", "memory", "s3"])
def test_what_holds_now_is_read_in_two_steps(tmp_path, request, where):
    urls = {"local": str(tmp_path), "memory": f"memory://{tmp_path.name}"}
    chain = Chain(Store(urls.get(where) or f"{request.getfixturevalue('bucket')}/{tmp_path.name}"), "rain")
    for n in range(3):
        add(chain, n=n)
        add(chain, "service/production", n=10 + n)

    latest = chain.latest("model/rain")

    assert (latest.number, latest.payload) == (5, {"n": 2})
    assert chain.before(latest).payload == {"n": 1}
    assert [each.payload["n"] for each in chain.entries("service/production")] == [10, 11, 12]
    assert chain.latest("model/other") is None
    assert check_chain(chain) == []


def test_a_decision_against_it_appends_nothing(chain):
    first = add(chain, n=1)

    assert chain.append("model/rain", lambda _: None) == first
    assert chain.numbers() == [1]


def count_up(root, times):
    chain = Chain(Store(root), "rain")
    for _ in range(times):
        chain.append("model/rain", lambda now: entry(n=now.payload["n"] + 1 if now else 1))


def test_writers_at_the_same_moment_are_all_heard_and_each_knows_the_one_before(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=count_up, args=(tmp_path, 15)) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    chain = Chain(Store(tmp_path), "rain")
    assert [each.payload["n"] for each in chain.entries()] == list(range(1, 91))
    assert check_chain(chain) == []


@pytest.mark.kill
def test_writers_that_are_killed_leave_a_whole_chain(tmp_path):
    context = multiprocessing.get_context("fork")
    for round_ in range(15):
        writers = [context.Process(target=count_up, args=(tmp_path, 1000)) for _ in range(2)]
        for writer in writers:
            writer.start()
        time.sleep(0.02 + 0.01 * (round_ % 5))
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()

    chain = Chain(Store(tmp_path), "rain")
    numbers = chain.numbers()
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 15
    assert chain.last().payload["n"] == numbers[-1]
    assert check_chain(chain) == []


TEXT = st.text(max_size=6)
DRAFTS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.dictionaries(TEXT, TEXT | st.integers(), max_size=3)))


def changed(content: bytes, draw) -> bytes:
    """Change one byte, or cut, or append; never to the same."""
    how = draw(st.sampled_from(["byte", "cut", "append", "field"]))
    if how == "byte":
        place = draw(st.integers(0, len(content) - 1))
        return content[:place] + bytes([(content[place] + draw(st.integers(1, 255))) % 256]) + content[place + 1 :]
    if how == "cut":
        return content[: draw(st.integers(0, len(content) - 1))]
    if how == "append":
        return content + draw(st.binary(min_size=1, max_size=4))
    fields = json.loads(content)
    name = draw(st.sampled_from(sorted(fields)))
    fields[name] = {"other": 1} if fields[name] != {"other": 1} else None
    return json_bytes(fields)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), drafts=DRAFTS.filter(bool))
def test_any_single_change_of_any_entry_is_found_and_named(tmp_path_factory, data, drafts):
    chain = Chain(Store(tmp_path_factory.mktemp("store")), "rain")
    for subject, payload in drafts:
        add(chain, subject, **{f"x{name}": value for name, value in payload.items()})
    assert check_chain(chain) == []
    number = data.draw(st.integers(1, len(drafts)))
    path = chain.store.files.path(chain.file(number))
    path.write_bytes(changed(path.read_bytes(), data.draw))

    found = check_chain(chain)

    assert number in {finding.number for finding in found}
    assert all(finding.number in {number, number + 1} for finding in found)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), length=st.integers(1, 8))
def test_a_removed_entry_is_found_and_the_last_one_by_its_witness(tmp_path_factory, data, length):
    chain = Chain(Store(tmp_path_factory.mktemp("store")), "rain")
    made = [add(chain, n=n) for n in range(length)]
    witnesses = [Witness(each.number, each.hash, f"record {each.number}") for each in made]
    number = data.draw(st.integers(1, length))
    chain.store.files.path(chain.file(number)).unlink()

    [finding] = check_chain(chain, witnesses)

    assert (finding.number, finding.what.split(":")[0]) == (number, "it was removed")


def rewrite(chain, number, **fields):
    """Forge an entry whose own hash is right."""
    forged = replace(Entry(**json.loads(chain.store.files.read(chain.file(number)))), **fields).sealed()
    chain.store.files.write(chain.file(number), json_bytes(asdict(forged)))


def test_a_forged_entry_does_not_fit_its_neighbours(chain):
    made = [add(chain, n=n) for n in range(4)]
    rewrite(chain, 2, by="eve")

    assert [finding.number for finding in check_chain(chain)] == [3]
    assert "entry 2" in check_chain(chain)[0].what
    witness = Witness(2, made[1].hash, "the record of phase live in run r")
    assert "record of phase live" in check_chain(chain, [witness])[-1].what


def test_a_chain_that_was_forged_to_its_end_is_found_by_a_witness(chain):
    made = [add(chain, n=n) for n in range(3)]
    previous = made[0].hash
    for number in (2, 3):
        rewrite(chain, number, by="eve", previous=previous)
        previous = chain.read(number).hash

    assert check_chain(chain) == []
    assert [f.number for f in check_chain(chain, [Witness(3, made[2].hash, "MLflow")])] == [3]


def test_an_inserted_file_is_named(chain):
    for n in range(2):
        add(chain, n=n)
    chain.store.files.write("rain/audit/7.json", b"{}")
    chain.store.files.write("rain/audit/9999999999.json", b"{}")

    found = check_chain(chain)

    assert (found[0].number, found[0].what) == (0, "the file 7.json is no entry of the chain")
    assert [finding.number for finding in found[1:]] == [3, 9999999999]


def test_nothing_is_appended_to_a_broken_chain(chain):
    add(chain, n=1)
    rewrite_path = chain.store.files.path(chain.file(1))
    rewrite_path.write_bytes(rewrite_path.read_bytes().replace(b"ana", b"eve"))

    with pytest.raises(ChainError, match="entry 1 of the audit chain cannot be believed: its content was changed"):
        add(chain, n=2)
