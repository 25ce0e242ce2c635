"""The deployment record: a change happens once, two writers never lose each other's, and everything can be undone."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import ModelRef
from mlops_provider.store.services import (
    Change,
    ServedVersion,
    ServerReport,
    Service,
    list_services,
    live_reports,
    now,
    read_service,
    restore,
    roll_back,
    service_history,
    set_version,
    sweep_reports,
    wait_until_ready,
    write_report,
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
