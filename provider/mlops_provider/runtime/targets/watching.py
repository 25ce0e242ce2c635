"""Waiting for a rollout without holding a thread: watches wake it, what is judged is read afresh.

A watch only says that something changed. One that is too old (410 Gone), is cut or refused is begun anew from a list.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.targets.cluster import collection, configuration
from mlops_provider.runtime.targets.kserve import KServeTarget
from mlops_provider.runtime.targets.kubernetes import KubernetesTarget, label_selector
from mlops_provider.runtime.targets.naming import object_name
from mlops_provider.runtime.targets.target import Progress
from mlops_provider.store.services import now

if TYPE_CHECKING:
    from mlops_provider.store.placements import Placement

_LONGEST_SILENCE = 15.0
"""Seconds after which it is looked at even if no watch said anything."""
_WATCH_SECONDS = 240
_CALM_SECONDS = 0.3
_BACKOFF_SECONDS = 2.0
_GONE = 410
_COPIED = ("host", "ssl_ca_cert", "cert_file", "key_file", "verify_ssl", "tls_server_name", "proxy")
_AUTH = "BearerToken"

log = logging.getLogger(__name__)


async def wait_for_rollout(address: str, placement: Placement) -> Progress:
    """Wait until a rollout is done, has failed or is late; what the cluster does not answer is asked again."""
    kind = KServeTarget if placement.target == "kserve" else KubernetesTarget
    target = await asyncio.to_thread(kind.connect, address)
    changed = asyncio.Event()
    watches = [asyncio.create_task(_watch(address, path, query, changed)) for path, query in _watched(placement)]
    try:
        while True:
            changed.clear()
            progress = await _look(target, placement)
            if progress.status != "waiting" or now() >= placement.until:
                return progress
            try:
                await asyncio.wait_for(changed.wait(), _LONGEST_SILENCE)
            except TimeoutError:
                continue
            await asyncio.sleep(_CALM_SECONDS)  # changes come in swarms
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def _look(target: KubernetesTarget, placement: Placement) -> Progress:
    try:
        progress = await asyncio.to_thread(target.look, placement)
    except MlopsError as err:
        if not err.retryable:
            return Progress(status="failed", said=err.message)
        progress = Progress(status="waiting", said=err.message)
    log.info("%s: %s", placement.name, progress.said)
    return progress


def _watched(placement: Placement) -> list[tuple[str, dict[str, str]]]:
    version, kind = ("serving.kserve.io/v1beta1", "InferenceService")
    if placement.target != "kserve":
        version, kind = "apps/v1", "Deployment"
    one = {"fieldSelector": f"metadata.name={object_name(*placement.service)}"}
    return [
        (collection(version, kind, placement.namespace), one),
        (collection("v1", "Pod", placement.namespace), {"labelSelector": label_selector(placement)}),
    ]


async def _watch(address: str, path: str, query: dict[str, str], changed: asyncio.Event) -> None:
    """Set an event whenever something changes, for ever."""
    from aiohttp import ClientError
    from kubernetes_asyncio.client.exceptions import ApiException

    while True:
        try:
            async with await _client(address) as client:
                while True:  # a new watch from a new list
                    since = await _list_version(client, path, query)
                    await _follow(client, path, {**query, "resourceVersion": since}, changed)
                    changed.set()
        except (ClientError, ApiException, TimeoutError, OSError, ValueError, MlopsError) as err:
            log.info("the watch of %s is begun again: %s", path, err)
        await asyncio.sleep(_BACKOFF_SECONDS)
        changed.set()


async def _client(address: str) -> Any:
    from kubernetes_asyncio import client

    given = await asyncio.to_thread(configuration, json.loads(address) if address else {})
    made = client.Configuration()
    for name in _COPIED:
        setattr(made, name, getattr(given, name))
    if token := given.api_key.get(_AUTH) or given.api_key.get("authorization"):  # so called before version 36
        made.api_key = {_AUTH: token}
    return client.ApiClient(made)


async def _list_version(client: Any, path: str, query: dict[str, str]) -> str:
    async with await _request(client, path, {**query, "limit": "1"}, 30) as answer:
        answer.raise_for_status()
        found = await answer.json(content_type=None)
    return str(found.get("metadata", {}).get("resourceVersion", ""))


async def _follow(client: Any, path: str, query: dict[str, str], changed: asyncio.Event) -> None:
    """Follow one watch to its end."""
    asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
    async with await _request(client, path, asked, _WATCH_SECONDS + 30) as answer:
        if answer.status == _GONE:
            return
        answer.raise_for_status()
        async for line in answer.content:
            if not line.strip():
                continue
            event = json.loads(line)
            if event.get("type") == "ERROR":  # among them 410 Gone: what was listed is too old
                log.info("a watch of %s ended: %s", path, (event.get("object") or {}).get("message"))
                return
            if event.get("type") != "BOOKMARK":
                changed.set()


async def _request(client: Any, path: str, query: dict[str, str], seconds: int) -> Any:
    return await client.call_api(
        path, "GET", {}, list(query.items()), {"Accept": "application/json"}, auth_settings=[_AUTH],
        _preload_content=False, _return_http_data_only=True, _request_timeout=seconds,
    )  # fmt: skip
