"""Who a service is compared with, where production runs on no model server."""

from __future__ import annotations

from dataclasses import replace

from mlops_provider.refs import ModelRef, ServiceRef
from mlops_provider.runtime.service_test.champion import find_rival
from mlops_provider.store.placements import Placement, write_placement
from mlops_provider.store.services import Change, ServedVersion, now, read_service, set_version
from mlops_provider.store.store import Store


def test_a_champion_in_containers_is_asked_at_their_address(tmp_path):
    store = Store(tmp_path)
    for environment, version in (("production", "1"), ("staging", "2")):
        model = ModelRef(uri=f"u/{version}", digest=version * 64, name="rain", version=version)
        change = Change(id=environment, action="deploy", by="ana", at=now())
        set_version(store, "rain", environment, ServedVersion(version=version, model=model), change)
    placement = Placement(
        workflow="rain", environment="production", target="docker", version="1", model="1" * 64,
        url="http://127.0.0.1:20001", state="running",
    )  # fmt: skip
    service = ServiceRef(uri="u", digest="2" * 64, name="rain/staging", version="2", revision=1)
    state = read_service(store, "rain", "staging")

    without = find_rival(store, service, state)
    running = write_placement(store, placement)
    found = find_rival(store, service, state)
    write_placement(store, replace(running, state="stopped"))

    assert (without.url, without.note) == (None, "no model server answers for rain/production, version 1")
    assert (found.url, found.version.version) == ("http://127.0.0.1:20001", "1")
    assert find_rival(store, service, state).url is None
