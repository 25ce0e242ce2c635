"""The pod of a phase in plain JSON: what it runs and may do, the Secret with its work, and why it failed."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError, PlaceError, WorkFailedError
from mlops_provider.runtime.places.ending import failure
from mlops_provider.runtime.targets.cluster import MANAGED_BY
from mlops_provider.runtime.targets.naming import MANAGER, label_value
from mlops_provider.runtime.targets.quantities import processors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.places.work import Work

ENTRYPOINT = ["python3", "-m", "mlops_provider.runtime"]
TASK, TASK_FOLDER = "task.json", "/run/mlops"
RESULT = "/airflow/xcom/return.json"
"""Where the side container looks for what goes to XCom."""
ATTEMPT = "mlops/attempt"
CONTAINER = "base"
_USER = 50000
_LONGEST_NAME = 50
_GPU = "nvidia.com/gpu"
_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_NEVER = ("not found", "manifest unknown", "denied", "unauthorized", "no match for platform", "invalidimagename")

POD_SECURITY = {
    "runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}  # fmt: skip


def pod_name(context: RunContext) -> str:
    """Give what the name of a pod begins with: a-z, 0-9 and -."""
    return re.sub(r"[^a-z0-9-]+", "-", f"mlops-{context.workflow}-{context.phase}".lower())[:_LONGEST_NAME].strip("-")


def secret_name(context: RunContext) -> str:
    """Give the name of the Secret with the work of a phase: the same for all of its tries."""
    return f"mlops-{hashlib.sha256(context.identity.encode()).hexdigest()[:20]}"


def labels(context: RunContext) -> dict[str, str]:
    """Give the labels of a pod and its Secret: the same for all tries of a phase."""
    return {
        "app.kubernetes.io/name": "mlops-phase",
        "app.kubernetes.io/component": label_value(context.phase),
        "app.kubernetes.io/part-of": label_value(context.workflow),
        MANAGED_BY: MANAGER,
    }


def secret(context: RunContext, namespace: str, text: str, owner: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the Secret with the work of a phase; it goes with its owner, the pod."""
    meta: dict[str, Any] = {"name": secret_name(context), "namespace": namespace, "labels": labels(context)}
    if owner:
        meta["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": owner["name"], "uid": owner["uid"]}]
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "stringData": {TASK: text}}


def variables(wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the environment of the container; secrets are references to keys of Kubernetes Secrets."""
    plain = {"HOME": "/tmp", "TMPDIR": "/tmp"}  # noqa: S108 (a volume of its own)
    if wanted.get("cpu"):
        plain["OMP_NUM_THREADS"] = str(max(1, int(processors(wanted["cpu"]))))
    found: list[dict[str, Any]] = [
        {"name": name, "value": value} for name, value in {**plain, **wanted.get("env", {})}.items()
    ]
    for name, source in wanted.get("secrets", {}).items():
        of, _, key = source.partition("/")
        found.append({"name": name, "valueFrom": {"secretKeyRef": {"name": of, "key": key}}})
    return found


def pod(work: Work, wanted: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Give the pod of a phase: what it runs, sees, may use and may do. Its work is in a file, as is what it returns."""
    context = work.recorded
    container = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ENTRYPOINT,
        "args": [work.context.phase_type, f"@{TASK_FOLDER}/{TASK}", "--result", RESULT],
        "env": variables(wanted),
        "resources": limits(wanted),
        "securityContext": CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "task", "mountPath": TASK_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (a volume of its own)
        ],
    }
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": POD_SECURITY,
        "containers": [container],
        "nodeSelector": dict(wanted.get("node_selector", {})),
        "tolerations": [
            {name: value for name, value in each.items() if value} for each in wanted.get("tolerations", ())
        ],
        "volumes": [
            {"name": "task", "secret": {"secretName": secret_name(context), "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if wanted.get("service_account"):
        spec["serviceAccountName"] = wanted["service_account"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels(context)}, "spec": spec}


def limits(wanted: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Give what the container asks for, which is also what it may use."""
    asked = {name: str(wanted[name]) for name in ("cpu", "memory") if wanted.get(name)}
    if wanted.get("gpu"):
        asked[_GPU] = str(wanted["gpu"])
    return {"requests": asked, "limits": asked} if asked else {}


def failure_of(pod: Mapping[str, Any] | None, context: RunContext, memory: str, said: str) -> MlopsError:
    """Give the error that the last state of a pod stands for; `said` is what is known without it."""
    if pod is None:
        return PlaceError(f"the pod of the phase is gone: {said}", hint="it was deleted, or its node is")
    status = pod.get("status") or {}
    if status.get("reason") == "Evicted":
        return PlaceError(f"the pod of the phase was evicted: {status.get('message', '')}")
    states = [entry for entry in status.get("containerStatuses") or () if entry.get("name") == CONTAINER]
    state = (states[0].get("state") or {}) if states else {}
    if ended := state.get("terminated"):
        return _ended(ended, context, memory, said)
    return _never_started(state.get("waiting") or {}, status, said)


def _ended(ended: Mapping[str, Any], context: RunContext, memory: str, said: str) -> MlopsError:
    if ended.get("reason") == "OOMKilled":
        limit = f"it may use {memory}" if memory else "its node had no more"
        return WorkFailedError(
            f"the pod of the phase was killed for want of memory: {limit}",
            hint="give it more by resources.memory, or less data",
        )
    if code := int(ended.get("exitCode") or 0):
        return failure(context, "the pod of the phase", code, [ended.get("message") or said])
    return PlaceError(f"the pod of the phase ended, and then: {said}")


def _never_started(waits: Mapping[str, Any], status: Mapping[str, Any], said: str) -> MlopsError:
    if waits.get("reason") in _NO_IMAGE:
        message = f"the image of the phase cannot be pulled: {waits['reason']}: {waits.get('message', '')}"
        never = any(word in message.lower() for word in _NEVER)
        return WorkFailedError(message, hint="look at its name") if never else PlaceError(message)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            hint = "ask for less, or look at node_selector and tolerations"
            return PlaceError(f"no node takes the pod of the phase: {condition.get('message', '')}", hint=hint)
    return PlaceError(f"the pod of the phase did not end: {said}")
