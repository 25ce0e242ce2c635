"""A Kubernetes API server for tests: kmock's emulator, with server-side apply, strict validation, and controllers.

It is spoken to over HTTP by the real clients. What a cluster would do of what is applied (pods that start, pull, crash,
find no node) is a scenario that a test chooses.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import threading
from contextlib import contextmanager

import aiohttp.web
import kmock
import kubernetes_validate
from kmock import KubernetesEmulator, Server

NAMESPACE = "models"
VERSION = "1.36.0"
TOKEN = "secret-token"
_SETTLE_SECONDS = 0.05


class RefusedError(Exception):
    """An answer that is an error, as a Status."""

    def __init__(self, status, message, reason="Invalid"):
        super().__init__(message)
        self.status, self.message, self.reason = status, message, reason


class ApiServer(KubernetesEmulator):
    """An emulator that applies like a real one. `scenario` is what becomes of pods; `refuse` the next answers."""

    def prepare(self, loop):
        self.loop = loop
        self.scenario = "ready"
        self.refuse = []
        """Statuses that the next changes are answered with."""
        self.gone = 0
        """How many watches are answered with 410 Gone."""
        self.watches = 0
        self.applied = []
        self.deleted = []
        self.logs = {}
        self.pods = 0
        for kind in ("v1/pods", "v1/events", "apps/v1/deployments", "serving.kserve.io/v1beta1/inferenceservices"):
            self.resources[kind] = {}
        return self

    async def _handle(self, request):
        try:
            return await self._answer(request)
        except RefusedError as err:
            content = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": err.status}
            more = {"message": err.message, "reason": err.reason}
            return aiohttp.web.json_response({**content, **more}, status=err.status)

    async def _answer(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        if request.action in {kmock.action.UPDATE, kmock.action.DELETE} and self.refuse:
            status = self.refuse.pop(0)
            raise RefusedError(status, "Operation cannot be fulfilled: the object has been modified", "Conflict")
        if request.action == kmock.action.WATCH:
            self.watches += 1
            if self.gone:
                self.gone -= 1
                raise RefusedError(410, "too old resource version", "Expired")
        if request.subresource == "log":
            return aiohttp.web.Response(text=self.logs.get(request.name, ""))
        if request.action == kmock.action.UPDATE and request.name:
            self._apply(request)
            return aiohttp.web.json_response(self.objects[request.resource, request.namespace, request.name].raw)
        answer = await super()._handle(request)
        if request.action == kmock.action.DELETE:
            self.deleted.append(request.resource.plural)
            if request.resource.plural == "deployments":
                await self._end_pods()
        return answer

    def _apply(self, request):
        """Apply as a real server does: typed, validated, owned by a field manager; made where it is not there."""
        if request.headers.get("Content-Type") != "application/apply-patch+yaml":
            raise RefusedError(415, f"unexpected {request.headers.get('Content-Type')}")
        if not request.params.get("fieldManager"):
            raise RefusedError(400, "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
        if request.namespace != NAMESPACE:
            raise RefusedError(404, f'namespaces "{request.namespace}" not found', "NotFound")
        wanted = json.loads(request.body)
        try:
            kubernetes_validate.validate(wanted, VERSION, strict=True)
        except kubernetes_validate.ValidationError as err:
            raise RefusedError(400, f"strict decoding error: {err.message}") from err
        except kubernetes_validate.SchemaNotFoundError:
            pass  # a custom resource
        key = (request.resource, request.namespace, request.name)
        there = self.objects[key].raw if key in self.objects and not self.objects[key].deleted else {}
        meta = {"uid": f"uid-{request.name}", **there.get("metadata", {}), **wanted["metadata"]}
        meta["resourceVersion"] = str(len(self.applied) + 1)
        changed = there.get("spec") != wanted.get("spec")
        meta["generation"] = meta.get("generation", 0) + (1 if changed else 0)
        made = {**there, **wanted, "metadata": meta}
        self._put(key, made)
        self.applied.append(copy.deepcopy(made))
        if changed and request.resource.plural == "deployments":
            self._task = asyncio.ensure_future(self._roll_out(key, made))
        if changed and request.resource.plural == "inferenceservices":
            self._task = asyncio.ensure_future(self._serve(key, made))

    def _put(self, key, thing):
        known = key in self.objects
        if known:
            self.objects[key].delete()
            self.objects[key].create(thing)
        else:
            self.objects[key] = thing
        self._said = asyncio.ensure_future(
            self._buses[key[0]].put({"type": "MODIFIED" if known else "ADDED", "object": thing})
        )

    async def _roll_out(self, key, deployment):
        """Be the controllers: pods of the new template, then, if they come up, none of the old."""
        await asyncio.sleep(_SETTLE_SECONDS)
        wanted, generation = deployment["spec"]["replicas"], deployment["metadata"]["generation"]
        template = deployment["spec"]["template"]
        old = [found for found, pod in self._pods() if pod["metadata"]["labels"] != template["metadata"]["labels"]]
        same = [found for found, pod in self._pods() if pod["metadata"]["labels"] == template["metadata"]["labels"]]
        # what ran before goes on, whatever the scenario of the new one is
        enough = len(same) >= wanted and all(self._is_ready(found) for found in same)
        scenario = "ready" if enough else self.scenario
        conditions, pod = SCENARIOS[scenario]
        for found in same[wanted:]:
            await self._end(found)
        if pod is not None:
            for _ in range(wanted - len(same)):
                self._make_pod(template, pod)
        updated = wanted if pod is not None else len(same)
        status = {"observedGeneration": generation, "replicas": len(old) + updated, "updatedReplicas": updated}
        if scenario == "ready":
            for found in old:
                await self._end(found)
            await asyncio.sleep(_SETTLE_SECONDS)
            status |= {"replicas": wanted, "availableReplicas": wanted, "readyReplicas": wanted}
        else:
            status |= {"availableReplicas": len(old) + len(same)}
        current = self.objects[key].raw
        if current["metadata"]["generation"] == generation:
            self._put(key, {**current, "status": {**status, "conditions": conditions}})

    async def _serve(self, key, service):
        await asyncio.sleep(_SETTLE_SECONDS)
        conditions = [{"type": "Ready", "status": "True" if self.scenario == "ready" else "False", "message": "x"}]
        status = {"observedGeneration": service["metadata"]["generation"], "conditions": conditions}
        status["address"] = {"url": f"http://{key[2]}.{key[1]}.svc.cluster.local"}
        if self.scenario != "ready":
            status["modelStatus"] = {
                "transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": {"message": "no such image"},
            }  # fmt: skip
        self._put(key, {**self.objects[key].raw, "status": status})

    def _make_pod(self, template, status):
        self.pods += 1
        name = f"{template['metadata']['labels']['app.kubernetes.io/instance']}-5d-{self.pods}"
        meta = {"name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
        self.logs[name] = "the last words of the server"
        self._put((kmock.resource("v1/pods"), NAMESPACE, name), {"metadata": meta, "status": status})

    def _pods(self):
        return [
            (key, found.raw)
            for key, found in self.objects.items()
            if key[0] == kmock.resource("v1/pods") and not found.deleted
        ]

    def _is_ready(self, key):
        return any(found["type"] == "Ready" for found in self.objects[key].raw["status"].get("conditions", ()))

    async def _end(self, key):
        raw = self.objects[key].raw
        self.objects[key].delete()
        await self._buses[key[0]].put({"type": "DELETED", "object": raw})

    async def _end_pods(self):
        for key, _ in self._pods():
            await self._end(key)

    def warn(self, about, reason, message):
        """Add an event."""
        name = f"event-{len(self.objects)}"
        event = {
            "metadata": {"name": name, "namespace": NAMESPACE}, "type": "Warning", "reason": reason,
            "message": message, "involvedObject": {"name": about}, "lastTimestamp": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        self.objects[kmock.resource("v1/events"), NAMESPACE, name] = event

    def versions(self):
        """Give the versions of the pods that there are."""
        return sorted(pod["metadata"]["labels"]["app.kubernetes.io/version"] for _, pod in self._pods())

    def has_rolled_out(self, version):
        """Say whether the controllers have looked at the Deployment of a version."""
        return any(
            found.raw["metadata"]["labels"]["app.kubernetes.io/version"] == version
            and found.raw.get("status", {}).get("observedGeneration") == found.raw["metadata"]["generation"]
            for key, found in self.objects.items()
            if key[0].plural == "deployments" and not found.deleted
        )

    def kinds(self):
        """Give the kinds of the objects that there are, without pods and events."""
        return sorted(found.raw["kind"] for found in self.objects.values() if not found.deleted and "kind" in found)


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{}]}


def _waits(reason, message, **more):
    state = {"state": {"waiting": {"reason": reason, "message": message}}, **more}
    return {"phase": "Pending", "containerStatuses": [state]}


def _ended(reason, code):
    return {"lastState": {"terminated": {"reason": reason, "exitCode": code}}, "restartCount": 3}


QUOTA = 'pods "churn" is forbidden: exceeded quota: small, requested: cpu=1, used: cpu=4, limited: cpu=4'
NO_NODE = {
    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient memory.",
}  # fmt: skip
SCENARIOS = {
    "ready": ([{"type": "Available", "status": "True"}], READY),
    "no image": ([], _waits("ImagePullBackOff", 'Back-off pulling image "x": manifest unknown: not found')),
    "registry away": ([], _waits("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout")),
    "no memory": ([], _waits("CrashLoopBackOff", "back-off 10s", **_ended("OOMKilled", 137))),
    "crash": ([], _waits("CrashLoopBackOff", "back-off 10s", **_ended("Error", 1))),
    "quota": ([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}], None),
    "no node": ([], {"phase": "Pending", "conditions": [NO_NODE]}),
    "slow": ([], {"phase": "Pending"}),
    "deadline": (
        [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
        {"phase": "Running", "conditions": []},
    ),
}
"""Scenario -> the conditions of the Deployment and the status of its pods."""


@contextmanager
def api_server(kind=ApiServer):
    """Run a server in a thread of its own; give it and its URL."""
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    started, stop = threading.Event(), asyncio.Event()
    made = {}

    async def run():
        async with kind() as server, Server(server) as listening:
            made["server"], made["url"] = server.prepare(asyncio.get_running_loop()), str(listening.url).rstrip("/")
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    yield made["server"], made["url"]
    made["server"].loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def kube_config(url):
    """Give the configuration of a client."""
    cluster, user = {"server": url}, {"token": TOKEN}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
    }
