"""Waiting for a version: what counts, and what the trigger says."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime.aliases import actor_of
from mlops_provider.runtime.arrived_version import find_version
from mlops_provider.store.model_versions import claim_name, write_version
from mlops_provider.store.promotions import promote, reserve
from mlops_provider.store.standing import Holder
from mlops_provider.triggers.model_version import ModelVersionTrigger


def champion(bench, number):
    from datetime import timedelta

    actor = actor_of(bench.context("live", "release", run_id=f"run-{number}"))
    model = ModelRef(uri=f"{bench.store.url}/flow/models/x", digest=number * 64, name="flow", version=number)
    home = claim_name(bench.store, "flow", "flow")
    document = {"name": "flow", "version": number, "digest": model.digest, "key": "flow/models/x"}
    write_version(bench.store, home, document)
    holder = Holder.of(bench.store, model, actor)
    reserve(bench.store, home, "flow", holder, actor, judged=None, lasts=timedelta(minutes=1))
    promote(bench.store, home, "flow", holder, actor, {})
    return model


def test_an_alias_counts_when_it_is_newer_and_a_version_by_its_number(bench):
    assert find_version(bench.store, "flow") is None
    assert find_version(bench.store, "flow", version="9") is None
    champion(bench, "9")
    model = champion(bench, "10")

    assert find_version(bench.store, "flow") == model
    assert find_version(bench.store, "flow", newer_than="9") == model
    assert find_version(bench.store, "flow", newer_than="10") is None
    assert find_version(bench.store, "flow", alias="challenger") is None
    assert find_version(bench.store, "flow", version="9").digest == "9" * 64
    with pytest.raises(ConfigError, match="newer_than is the number of a version, not 'ten'"):
        find_version(bench.store, "flow", newer_than="ten")


def fire(bench, **wanted):
    trigger = ModelVersionTrigger(store_url=bench.store.url, name="flow", wanted=wanted, poll_interval=0.05)
    path, fields = trigger.serialize()
    assert path == "mlops_provider.triggers.model_version.ModelVersionTrigger"

    async def first():
        return await anext(ModelVersionTrigger(**fields).run())

    return asyncio.run(first()).payload


def test_the_trigger_fires_when_the_version_comes(bench):
    champion(bench, "1")
    later = threading.Timer(0.5, champion, [bench, "2"])
    started = time.monotonic()
    later.start()

    fired = fire(bench, alias="champion", newer_than="1")

    assert time.monotonic() - started >= 0.5
    assert (fired["version"]["version"], fired["version"]["kind"]) == ("2", "model")


def test_a_broken_chain_is_told_and_not_waited_out(bench):
    champion(bench, "1")
    bench.store.files.write("flow/audit/0000000002.json", b"{}")

    assert "entry 2 of the audit chain cannot be believed" in fire(bench, alias="champion")["error"]
