"""A cluster whose pods really run: what a pod of a phase is told to do is done by a process of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import aiohttp.web
import kmock
import kubernetes_validate
from tests.api_server import NAMESPACE, VERSION, ApiServer, RefusedError

PODS, SECRETS = kmock.resource("v1/pods"), kmock.resource("v1/secrets")
BASE, SIDECAR = "base", "airflow-xcom-sidecar"


class Cluster(ApiServer):
    """Runs pods. `fate` is the status of those that never start; none: they run."""

    def prepare(self, loop):
        super().prepare(loop)
        self.resources["v1/secrets"] = {}
        self.fate = None
        self.quota = False
        self.started = []
        self.results = {}
        self.folder = Path(tempfile.mkdtemp(prefix="kubelet-"))
        return self

    async def _answer(self, request):
        if request.resource == PODS and request.name is None and request.action == kmock.action.CREATE:
            return aiohttp.web.json_response(self._create(request.data), status=201)
        if request.resource == PODS and request.action == kmock.action.LIST:
            wanted = request.params.get("labelSelector", "")
            found = [pod for _, pod in self._pods() if matches(pod["metadata"].get("labels", {}), wanted)]
            return aiohttp.web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": found})
        if request.resource == PODS and request.subresource == "exec":
            return await self._exec(request)
        if request.resource == PODS and request.action == kmock.action.UPDATE:
            key = (PODS, request.namespace, request.name)
            self.objects[key].patch(request.data)
            return aiohttp.web.json_response(self.objects[key].raw)
        return await super()._answer(request)

    def _create(self, pod):
        if self.quota:
            raise RefusedError(403, 'pods "mlops" is forbidden: exceeded quota: small', "Forbidden")
        try:
            kubernetes_validate.validate(pod, VERSION, strict=True)
        except kubernetes_validate.ValidationError as err:
            raise RefusedError(400, f"strict decoding error: {err.message}") from err
        name = pod["metadata"]["name"]
        pod["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        pod["status"] = self.fate or {"phase": "Pending", "conditions": [], "containerStatuses": []}
        self.objects[PODS, NAMESPACE, name] = pod
        self.started.append(pod)
        if self.fate is None:
            self._running = asyncio.ensure_future(self._run(pod))
        return pod

    async def _run(self, pod):
        """Do what the container of the phase is told, with the files of its Secret."""
        name = pod["metadata"]["name"]
        [container] = [each for each in pod["spec"]["containers"] if each["name"] == BASE]
        [secret] = [each["secret"] for each in pod["spec"]["volumes"] if each["name"] == "task"]
        content = self.objects[SECRETS, NAMESPACE, secret["secretName"]].raw["stringData"]
        folder = self.folder / name
        folder.mkdir()
        for file, text in content.items():
            (folder / file).write_text(text)
        self._say(pod, {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
        moved = [
            text.replace("/run/mlops", str(folder)).replace("/airflow/xcom", str(folder)) for text in container["args"]
        ]
        assert container["command"][0] == "python3"
        variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *container["command"][1:], *moved, env={**os.environ, **variables},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        self.logs[name] = output.decode()
        result = folder / "return.json"
        self.results[name] = result.read_text() if result.exists() else "__airflow_xcom_result_empty__"
        last = output.decode().strip().rpartition("\n")[2][-2000:]
        code = process.returncode
        ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": "2026-01-01T00:00:00Z"}
        self._say(pod, {"terminated": {**ended, "message": last, "finishedAt": "2026-01-01T00:00:01Z"}})

    def _say(self, pod, state):
        running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        about = {"image": "x", "imageID": "x", "ready": True, "restartCount": 0}
        states = [{"name": BASE, "state": state, **about}, {"name": SIDECAR, "state": running, **about}]
        self._put_status(pod["metadata"]["name"], {"phase": "Running", "containerStatuses": states})

    def _put_status(self, name, status):
        key = (PODS, NAMESPACE, name)
        if key in self.objects and not self.objects[key].deleted:
            self.objects[key].patch({"status": status})

    async def _exec(self, request):
        """Answer in the side container: what the phase returned, or its end."""
        socket = aiohttp.web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request._raw_request)
        command = " ".join(request._raw_request.query.getall("command"))
        if "cat " in command:
            await socket.send_bytes(b"\x01" + self.results[request.name].encode())
        else:
            pod = self.objects[PODS, NAMESPACE, request.name].raw
            code = pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
            self._put_status(request.name, {"phase": "Succeeded" if code == 0 else "Failed"})
        await socket.send_bytes(b"\x03" + json.dumps({"status": "Success", "metadata": {}}).encode())
        await socket.close()
        return socket


def matches(labels, selector):
    """Say whether labels are what a selector wants: k=v, k!=v, !k."""
    for part in selector.split(","):
        if "!=" in part:
            key, _, value = part.partition("!=")
            fits = labels.get(key) != value
        elif part.startswith("!"):
            fits = part[1:] not in labels
        else:
            key, _, value = part.partition("=")
            fits = labels.get(key) == value
        if not fits:
            return False
    return True
