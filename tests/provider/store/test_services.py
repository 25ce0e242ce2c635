"""The deployment record: a change happens once, two writers never lose each other's, and everything can be undone."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from mlops_provider.exceptions import ConfigError, ConflictError, DamagedDocumentError
from mlops_provider.refs import ModelRef
from mlops_provider.store.service_reports import (
    ServerReport,
    live_reports,
    sweep_reports,
    wait_until_ready,
    write_report,
)
from mlops_provider.store.services import (
    Change,
    ServedVersion,
    Service,
    list_services,
    now,
    read_last_sound,
    read_service,
    restore,
    roll_back,
    service_history,
    set_alternate,
    set_shadow,
    set_version,
    set_weights,
)
from mlops_provider.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def version(name):
    return ServedVersion(version=name, model=ModelRef(uri=f"u/{name}", digest=f"d{name}", name="camera", version=name))


def change(name, action="release"):
    return Change(id=name, action=action, by="ana", at=now(), reason="why not")


def release(store, name, *, id_=""):
    return set_version(store, "camera", "production", version(name), change(id_ or f"run-{name}"))


def report(store, server, statuses, *, revision=1, age=0.0):
    at = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    versions = {name: {"status": status, "digest": f"d{name}", "message": ""} for name, status in statuses.items()}
    made = ServerReport(server_id=server, url=f"http://{server}", at=at, revision=revision, versions=versions)
    write_report(store, "camera", "production", made)
    written = time.time() - age
    os.utime(store.files.path(f"camera/services/production/servers/{server}.json"), (written, written))


def test_a_service_that_was_never_deployed_is_empty(store):
    service = read_service(store, "camera", "production")

    assert service == Service(workflow="camera", environment="production")
    assert service.primary is None
    assert list_services(store) == []


def test_the_record_has_the_agreed_form(store):
    release(store, "1")
    release(store, "2")

    content = json.loads(store.files.read("camera/services/production/record/0000000002.json"))

    model = {"uri": "u/2", "digest": "d2", "name": "camera", "version": "2"}
    assert content["service"] == "camera/production"
    assert content["versions"] == [{"version": "2", "model": model, "weight": 100}]
    assert content["previous"]["version"] == "1"
    assert content["change"].keys() == {"id", "action", "by", "at", "reason"}
    assert [service.name for service in list_services(store)] == ["camera/production"]


def test_the_same_change_twice_happens_once(store):
    first = release(store, "1")
    again = release(store, "1")
    release(store, "2")
    much_later = release(store, "1")

    assert first == again
    assert [state.primary.version for state in service_history(store, "camera", "production")] == ["1", "2"]
    assert much_later.primary.version == "2"  # what stands is given back, not what was asked


def test_writers_at_the_same_moment_are_all_applied_one_after_the_other(store):
    barrier = threading.Barrier(6)

    def write(name):
        barrier.wait()
        release(store, name)

    threads = [threading.Thread(target=write, args=(str(i),)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    states = service_history(store, "camera", "production")
    assert sorted(state.primary.version for state in states) == list("012345")
    assert [state.revision for state in states] == [1, 2, 3, 4, 5, 6]
    assert [state.previous.version for state in states[1:]] == [state.primary.version for state in states[:-1]]


def test_roll_back_goes_to_the_previous_version_once(store):
    release(store, "1")
    release(store, "2")

    back = roll_back(store, "camera", "production", change("undo", "rollback"))
    again = roll_back(store, "camera", "production", change("undo", "rollback"))

    assert back == again
    assert (back.primary.version, back.previous.version, back.change.action) == ("1", "2", "rollback")


def test_roll_back_without_a_previous_version_says_so(store):
    release(store, "1")

    with pytest.raises(ConfigError, match="camera/production has no previous version"):
        roll_back(store, "camera", "production", change("undo", "rollback"))


def test_restore_puts_back_what_was_and_a_retry_may_try_again(store):
    release(store, "1")
    broken = release(store, "2")

    restored = restore(store, broken, "does not load")
    retried = release(store, "2")

    assert restored.primary.version == "1"
    assert (restored.change.action, restored.change.reason) == ("restore", "does not load")
    assert (retried.revision, retried.primary.version) == (4, "2")


def test_restore_leaves_what_somebody_changed_meanwhile(store):
    release(store, "1")
    broken = release(store, "2")
    release(store, "3")

    restore(store, broken, "does not load")

    assert read_service(store, "camera", "production").primary.version == "3"


def test_only_young_reports_count_and_old_ones_are_swept(store):
    report(store, "young", {"1": "ready"})
    report(store, "dead", {"1": "ready"}, age=11)
    report(store, "long-dead", {"1": "ready"}, age=7200)
    store.files.write("camera/services/production/servers/other.json", b"[")

    assert [found.server_id for found in live_reports(store, "camera", "production")] == ["young"]
    sweep_reports(store, "camera", "production")
    assert store.files.list("camera/services/production/servers") == ["dead.json", "other.json", "young.json"]


def test_all_servers_must_have_seen_the_change(store):
    service = release(store, "1")
    report(store, "a", {"1": "ready"})
    report(store, "b", {"1": "ready"}, revision=0)
    late = threading.Timer(0.5, lambda: report(store, "b", {"1": "ready"}))
    late.start()

    reports = wait_until_ready(store, service, "d1", timeout=5)

    assert sorted(found.revision for found in reports) == [1, 1]


def weigh(store, weights, *, id_, models=(), after=None):
    return set_weights(store, "camera", "production", weights, change(id_, "weights"), models=models, after=after)


def shares(service):
    return {found.version: found.weight for found in service.versions}


def test_a_canary_grows_step_by_step_and_becomes_the_primary(store):
    release(store, "1")

    first = weigh(store, {"2": 10, "1": 90}, id_="a", models=[version("2").model])
    again = weigh(store, {"2": 10, "1": 90}, id_="a", models=[version("2").model])
    even = weigh(store, {"1": 50, "2": 50}, id_="b")
    last = weigh(store, {"2": 100}, id_="c")

    assert shares(first) == {"1": 90, "2": 10}
    assert first == again
    assert (even.primary.version, even.previous) == ("1", None)  # a tie moves nothing
    assert (last.primary.version, last.previous.version) == ("2", "1")
    back = roll_back(store, "camera", "production", change("undo", "rollback"))
    assert shares(back) == {"1": 100}


@pytest.mark.parametrize("weights", [{"1": 90}, {"1": 101, "2": -1}, {"1": 60, "2": 50}, {}])
def test_weights_that_do_not_make_a_hundred_are_refused(store, weights):
    release(store, "1")

    with pytest.raises(ConfigError, match="make 100 together"):
        weigh(store, weights, id_="a", models=[version("2").model])

    assert read_service(store, "camera", "production").revision == 1


def test_a_version_that_nobody_knows_is_named(store):
    release(store, "1")

    with pytest.raises(ConfigError, match="does not know version 7") as failure:
        weigh(store, {"1": 90, "7": 10}, id_="a")

    assert "it knows 1" in failure.value.hint


def test_of_two_releases_at_once_one_is_refused(store):
    seen = release(store, "1")
    weigh(store, {"1": 90, "2": 10}, id_="a", models=[version("2").model], after=seen.revision)

    with pytest.raises(ConflictError, match="another writer was first"):
        weigh(store, {"1": 50, "3": 50}, id_="b", models=[version("3").model], after=seen.revision)

    assert shares(read_service(store, "camera", "production")) == {"1": 90, "2": 10}


def test_shadow_and_alternate_come_and_go(store):
    release(store, "1")
    set_shadow(store, "camera", "production", version("2").model, change("s", "shadow"))
    both = set_alternate(store, "camera", "production", version("0").model, change("t", "alternate"))

    released = release(store, "2")
    gone = set_alternate(store, "camera", "production", None, change("u", "alternate"))

    assert (both.shadow.version, both.alternate.version, shares(both)) == ("2", "0", {"1": 100})
    assert released.shadow is None  # what answers is no shadow any more
    assert (released.alternate.version, gone.alternate) == ("0", None)
    assert read_service(store, "camera", "production") == gone


def test_a_record_of_before_has_no_shadow(store):
    content = release(store, "1").to_dict()
    del content["shadow"], content["alternate"]
    store.files.write("camera/services/production/record/0000000002.json", json.dumps(content).encode())

    service = read_service(store, "camera", "production")

    assert (service.revision, service.primary.version, service.shadow) == (2, "1", None)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"versions": [{}]}', b'{"versions": 5}', b"\xff"])
def test_a_damaged_record_is_named(store, content):
    release(store, "1")
    store.files.write("camera/services/production/record/0000000002.json", content)

    with pytest.raises(DamagedDocumentError, match=r"camera/services/production/record.*2.* is damaged"):
        read_service(store, "camera", "production")

    assert read_last_sound(store, "camera", "production").primary.version == "1"


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_server_whose_clock_is_wrong_is_alive_while_it_writes(store, skew):
    report(store, "a", {"1": "ready"}, age=skew)
    os.utime(store.files.path("camera/services/production/servers/a.json"))

    assert [found.server_id for found in live_reports(store, "camera", "production")] == ["a"]
    long_ago = time.time() - 60
    os.utime(store.files.path("camera/services/production/servers/a.json"), (long_ago, long_ago))
    assert live_reports(store, "camera", "production") == []
