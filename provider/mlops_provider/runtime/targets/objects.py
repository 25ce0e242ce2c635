"""The Kubernetes objects of a service, as plain JSON: what API servers from 1.30 on take without a warning."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.images.recipe import PORT
from mlops_provider.runtime.targets.naming import (
    DRAIN_SECONDS,
    MANAGER,
    label_value,
    object_name,
    serve_arguments,
    variables,
)

if TYPE_CHECKING:
    from mlops_provider.store.placements import Placement

REPLICA = f"{MANAGER}/replica"
"""Label of pods that says of which placement they are."""
_APP = "app.kubernetes.io"
_USER = 50_000
_GRACE_SECONDS = DRAIN_SECONDS + 40
"""After the drain, requests in work have 30 s, and the prediction log is written."""
_SHORTEST_DEADLINE = 30
_STARTUP_TRIES = 150


def objects(placement: Placement, *, replicas: int | None = None) -> list[dict[str, Any]]:
    """Give the objects of a service in the order in which they are applied.

    `replicas` are those that run now, where an autoscaler decides: applying must not undo what it did.
    """
    made = [
        _service_account(placement),
        _network_policy(placement),
        _service(placement),
        _disruption_budget(placement),
        _deployment(placement, replicas),
    ]
    return [*made, _autoscaler(placement)] if placement.autoscale else made


def unwanted(placement: Placement) -> list[dict[str, Any]]:
    """Give the objects that an earlier placement may have left and this one has not."""
    return [] if placement.autoscale else [_head(placement, "autoscaling/v2", "HorizontalPodAutoscaler")]


def every_object(placement: Placement) -> list[dict[str, Any]]:
    """Give all objects that there can be, in the order in which they are deleted."""
    return [*unwanted(placement), *reversed(objects(placement))]


def selector(placement: Placement) -> dict[str, str]:
    """Give the labels that choose a service's pods: they never change."""
    name = object_name(placement.workflow, placement.environment)
    return {f"{_APP}/name": "model-server", f"{_APP}/instance": name}


def labels(placement: Placement) -> dict[str, str]:
    """Give the labels of every object."""
    return {
        **selector(placement),
        f"{_APP}/component": "model-server",
        f"{_APP}/part-of": label_value(placement.workflow),
        f"{_APP}/managed-by": MANAGER,
        f"{_APP}/version": label_value(placement.version),
    }


def notes(placement: Placement) -> dict[str, str]:
    """Give what people and audits want to know and no label can hold."""
    about = {"service": placement.name, "model": placement.model, "change": placement.change}
    return {f"{MANAGER}/{name}": value for name, value in about.items() if value}


def pod_spec(placement: Placement, *, container: str) -> dict[str, Any]:
    """Give the pod: without privileges, a token or a file system that it can write but for /tmp."""
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(placement, container)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}],
    }
    if placement.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in placement.pull_secrets]
    return spec


def _container(placement: Placement, name: str) -> dict[str, Any]:
    amounts = {"cpu": placement.cpu, "memory": placement.memory}
    secrets = [{"secretRef": {"name": secret}} for secret in placement.secrets]
    return {
        "name": name,
        "image": placement.image,
        "imagePullPolicy": "IfNotPresent",
        "args": serve_arguments(placement),
        "env": [{"name": key, "value": value} for key, value in variables(placement).items()],
        **({"envFrom": secrets} if secrets else {}),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": amounts, "limits": amounts},
        "startupProbe": {**_probe("/live"), "periodSeconds": 2, "failureThreshold": _STARTUP_TRIES},
        "readinessProbe": {**_probe("/ready"), "periodSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**_probe("/live"), "periodSeconds": 10, "failureThreshold": 3},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (a volume of its own)
    }


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http", "scheme": "HTTP"}, "timeoutSeconds": 4}


def _head(placement: Placement, version: str, kind: str) -> dict[str, Any]:
    name = object_name(placement.workflow, placement.environment)
    metadata = {
        "name": name,
        "namespace": placement.namespace,
        "labels": labels(placement),
        "annotations": notes(placement),
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _service_account(placement: Placement) -> dict[str, Any]:
    return {**_head(placement, "v1", "ServiceAccount"), "automountServiceAccountToken": False}


def _network_policy(placement: Placement) -> dict[str, Any]:
    """Let anybody ask, on the one port; let the pods themselves reach nothing, unless they log to the store."""
    spec = {
        "podSelector": {"matchLabels": selector(placement)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"port": "http", "protocol": "TCP"}]}],
        "egress": [{}] if placement.store_url else [],
    }
    return {**_head(placement, "networking.k8s.io/v1", "NetworkPolicy"), "spec": spec}


def _service(placement: Placement) -> dict[str, Any]:
    port = {"name": "http", "port": placement.port, "targetPort": "http", "protocol": "TCP"}
    spec = {"type": "ClusterIP", "selector": selector(placement), "ports": [port]}
    return {**_head(placement, "v1", "Service"), "spec": spec}


def _disruption_budget(placement: Placement) -> dict[str, Any]:
    """Let nodes be drained one replica at a time; one that is not ready holds up nobody."""
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector(placement)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return {**_head(placement, "policy/v1", "PodDisruptionBudget"), "spec": spec}


def _deployment(placement: Placement, replicas: int | None) -> dict[str, Any]:
    pod = pod_spec(placement, container="server")
    pod["serviceAccountName"] = object_name(placement.workflow, placement.environment)
    pod["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(placement)},
        }
    ]
    template_labels = {**labels(placement), REPLICA: placement.identity}
    about = {key: value for key, value in notes(placement).items() if key != f"{MANAGER}/change"}
    spec = {
        "replicas": _replicas(placement, replicas),
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": _deadline(placement),
        "selector": {"matchLabels": selector(placement)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": template_labels, "annotations": about}, "spec": pod},
    }
    return {**_head(placement, "apps/v1", "Deployment"), "spec": spec}


def _autoscaler(placement: Placement) -> dict[str, Any]:
    scale = placement.autoscale
    if scale is None:
        return {}
    name = object_name(placement.workflow, placement.environment)
    target = {"type": "Utilization", "averageUtilization": scale.cpu}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": scale.minimum,
        "maxReplicas": scale.maximum,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return {**_head(placement, "autoscaling/v2", "HorizontalPodAutoscaler"), "spec": spec}


def _replicas(placement: Placement, running: int | None) -> int:
    scale = placement.autoscale
    if scale is None or running is None:
        return placement.replicas
    return min(max(running, scale.minimum), scale.maximum)


def _deadline(placement: Placement) -> int:
    """Give the seconds that a rollout may take, which must be more than a pod needs to become ready."""
    if not placement.until:
        return 600
    wait = datetime.fromisoformat(placement.until) - datetime.fromisoformat(placement.at)
    return max(_SHORTEST_DEADLINE, round(wait.total_seconds()))
