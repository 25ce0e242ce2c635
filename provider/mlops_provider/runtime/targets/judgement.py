"""What a Deployment and its pods say of a rollout: pure functions over the JSON of an API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.targets.objects import REPLICA
from mlops_provider.runtime.targets.target import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlops_provider.store.placements import Placement

_NEVER = (
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
)
_PULL = ("ErrImagePull", "ImagePullBackOff")
_NO_SUCH_IMAGE = ("not found", "manifest unknown", "unauthorized", "denied", "does not exist", "no match for platform")
_OUT_OF_MEMORY = "OOMKilled"


def judge(deployment: Mapping[str, Any] | None, pods: Iterable[Mapping[str, Any]], placement: Placement) -> Progress:
    """Say how far a rollout is: as `kubectl rollout status` does, but what cannot go well is said at once.

    What may yet go well (a registry that does not answer, no node with room) is waited for.
    """
    if deployment is None:
        return Progress(status="waiting", said="the Deployment is not there yet")
    ours = pods_of(pods, placement)
    for pod in ours:
        if trouble := hopeless(pod, placement):
            return Progress(status="failed", said=f"pod {name_of(pod)}: {trouble}")
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return Progress(status="waiting", said="the cluster has not looked at it yet")
    return _refused(status) or _counted(deployment["spec"].get("replicas", 1), status, ours)


def _refused(status: Mapping[str, Any]) -> Progress | None:
    """Say that the cluster makes no pods."""
    condition = _condition(status, "ReplicaFailure")
    if condition.get("status") != "True":
        return None
    message = str(condition.get("message", ""))
    quota = "exceeded quota" in message
    what = "the namespace's quota is used up" if quota else "the cluster refuses to make pods"
    again = quota or "failed calling webhook" in message
    return Progress(status="failed", said=f"{what}: {message}", again=again)


def _counted(wanted: int, status: Mapping[str, Any], pods: list[Mapping[str, Any]]) -> Progress:
    """Say how many replicas are new and answer."""
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated >= wanted and status.get("replicas", 0) <= updated <= available:
        return Progress(status="ready", said=f"{available} of {wanted} replicas are ready")
    waiting = next((said for pod in pods if (said := _waits_for(pod))), "")
    more, new = f"; {waiting}" if waiting else "", sum(map(is_ready, pods))
    if _condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        said = f"{new} of {wanted} new replicas answered in time{more}"
        return Progress(status="failed", said=said, again=True)
    return Progress(status="waiting", said=f"{updated} of {wanted} replicas are new, {new} of them answer{more}")


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = {found["type"]: found for found in status.get("conditions") or ()}
    found: Mapping[str, Any] = conditions.get(kind, {})
    return found


def pods_of(pods: Iterable[Mapping[str, Any]], placement: Placement) -> list[Mapping[str, Any]]:
    """Give the pods of a placement that are not about to end."""
    return [
        pod
        for pod in pods
        if (pod["metadata"].get("labels") or {}).get(REPLICA) == placement.identity
        and not pod["metadata"].get("deletionTimestamp")
    ]


def hopeless(pod: Mapping[str, Any], placement: Placement) -> str:
    """Say why a pod will never be ready, '' where it may."""
    for state in _containers(pod):
        waiting = (state.get("state") or {}).get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        if reason in _NEVER:
            return f"{reason}: {message}"
        if reason in _PULL and any(word in message.lower() for word in _NO_SUCH_IMAGE):
            return f"the image cannot be pulled: {message}"
        ended = _ended(state)
        if ended.get("reason") == _OUT_OF_MEMORY:
            return f"out of memory at its limit of {placement.memory}: set 'memory' higher"
        if reason == "CrashLoopBackOff":
            return f"ends again and again, with code {ended.get('exitCode', 'unknown')}"
    return ""


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Say whether a pod gets requests."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def state_of(pod: Mapping[str, Any], placement: Placement) -> str:
    """Say in a line how a pod is."""
    if is_ready(pod):
        return "is ready"
    phase = (pod.get("status") or {}).get("phase", "unknown")
    return hopeless(pod, placement) or _waits_for(pod) or f"is {phase}, not ready"


def name_of(thing: Mapping[str, Any]) -> str:
    """Give the name of an object."""
    return str(thing["metadata"]["name"])


def _waits_for(pod: Mapping[str, Any]) -> str:
    for found in (pod.get("status") or {}).get("conditions") or ():
        if found["type"] == "PodScheduled" and found["status"] == "False":
            return f"no node for pod {name_of(pod)}: {found.get('message', found.get('reason', ''))}"
    for state in _containers(pod):
        waiting = (state.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _PULL:
            return f"pod {name_of(pod)} waits for its image: {waiting.get('message', waiting['reason'])}"
    return ""


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(kind) or ()


def _ended(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give how a container ended last."""
    for when in ("state", "lastState"):
        ended: Mapping[str, Any] | None = (state.get(when) or {}).get("terminated")
        if ended:
            return ended
    return {}
