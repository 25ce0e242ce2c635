"""An InferenceService of KServe: KServe makes everything else of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.targets.cluster import path_of
from mlops_provider.runtime.targets.judgement import hopeless, name_of, pods_of
from mlops_provider.runtime.targets.kubernetes import KubernetesTarget
from mlops_provider.runtime.targets.naming import object_name
from mlops_provider.runtime.targets.objects import REPLICA, labels, notes, pod_spec
from mlops_provider.runtime.targets.target import Progress

if TYPE_CHECKING:
    from mlops_provider.store.placements import Placement

_VERSION = "serving.kserve.io/v1beta1"
_CONTAINER = "kserve-container"
"""The name by which KServe knows the container that predicts."""


class KServeTarget(KubernetesTarget):
    """The InferenceServices of one cluster."""

    container = _CONTAINER

    def apply(self, placement: Placement) -> None:
        """Apply the InferenceService."""
        self.cluster.apply(inference_service(placement))

    def look(self, placement: Placement) -> Progress:
        """Read the conditions of the InferenceService, and the pods that KServe made."""
        service = self._service(placement)
        if service is None:
            return Progress(status="waiting", said="the InferenceService is not there yet")
        for pod in pods_of(self.pods(placement), placement):
            if trouble := hopeless(pod, placement):
                return Progress(status="failed", said=f"pod {name_of(pod)}: {trouble}")
        status = service.get("status") or {}
        if status.get("observedGeneration", 0) < service["metadata"].get("generation", 0):
            return Progress(status="waiting", said="KServe has not looked at it yet")
        if (status.get("modelStatus") or {}).get("transitionStatus") in {"BlockedByFailedLoad", "InvalidSpec"}:
            failure = status["modelStatus"].get("lastFailureInfo") or {}
            return Progress(status="failed", said=str(failure.get("message") or failure.get("reason") or "refused"))
        conditions = {found["type"]: found for found in status.get("conditions") or ()}
        ready = conditions.get("Ready", {})
        if ready.get("status") == "True" and self._runs_latest(status):
            return Progress(status="ready", said=f"it answers at {status.get('url', 'its address')}")
        waits = [found for found in conditions.values() if found.get("status") == "False" and found.get("message")]
        said = "; ".join(f"{found['type']}: {found['message']}" for found in waits)
        return Progress(status="waiting", said=said or "it is not ready yet")

    def url(self, placement: Placement) -> str:
        """Give the address inside the cluster, or else the public one."""
        status = (self._service(placement) or {}).get("status") or {}
        return str((status.get("address") or {}).get("url") or status.get("url") or "")

    def settle(self, placement: Placement) -> None:
        """Do nothing: KServe ends old revisions."""

    def stop(self, placement: Placement) -> None:
        """Delete the InferenceService, and KServe what it made of it."""
        self.cluster.delete(inference_service(placement))

    def _service(self, placement: Placement) -> dict[str, Any] | None:
        return self.cluster.get(path_of(inference_service(placement)))

    @staticmethod
    def _runs_latest(status: dict[str, Any]) -> bool:
        """Say whether the revision that was made last is the one that answers; without Knative there are none."""
        predictor = (status.get("components") or {}).get("predictor") or {}
        created, ready = predictor.get("latestCreatedRevision"), predictor.get("latestReadyRevision")
        return bool(created == ready)


def inference_service(placement: Placement) -> dict[str, Any]:
    """Give the InferenceService: a custom predictor with our container, by a Deployment: Knative is not needed."""
    scale = placement.autoscale
    predictor = pod_spec(placement, container=_CONTAINER)
    predictor["labels"] = {**labels(placement), REPLICA: placement.identity}
    predictor["minReplicas"] = placement.replicas
    predictor["maxReplicas"] = scale.maximum if scale else placement.replicas
    if scale:
        predictor |= {"scaleMetric": "cpu", "scaleTarget": scale.cpu}
    metadata = {
        "name": object_name(placement.workflow, placement.environment),
        "namespace": placement.namespace,
        "labels": labels(placement),
        "annotations": {**notes(placement), "serving.kserve.io/deploymentMode": "RawDeployment"},
    }
    return {
        "apiVersion": _VERSION,
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": {"predictor": predictor},
    }
