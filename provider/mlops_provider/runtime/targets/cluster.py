"""A Kubernetes cluster: requests for plain JSON, and in words what its API server does not like."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import ConfigError, TargetUnavailableError
from mlops_provider.runtime.targets.naming import MANAGER

if TYPE_CHECKING:
    from collections.abc import Mapping

MANAGED_BY = "app.kubernetes.io/managed-by"
_PLURALS = {
    "Deployment": "deployments",
    "Event": "events",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "InferenceService": "inferenceservices",
    "NetworkPolicy": "networkpolicies",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
}
_TRIES = 6
_PAUSE_SECONDS = 0.2
_TIMEOUT_SECONDS = 30
_NOT_FOUND, _CONFLICT = 404, 409
_PASSING = {_CONFLICT, 429, 500, 502, 503, 504}
_REFUSED = {401: "does not know who we are", 403: "does not allow it"}


def configuration(address: Mapping[str, Any]) -> Any:
    """Give the client's configuration for an address: the extras of a connection of type kubernetes.

    Without any: that of the pod that this runs in, or else ~/.kube/config.
    """
    import yaml
    from kubernetes import client, config

    made = client.Configuration()
    context = address.get("cluster_context") or None
    try:
        if _is_true(address.get("in_cluster")):
            config.load_incluster_config(client_configuration=made)
        elif address.get("kube_config_path"):
            config.load_kube_config(address["kube_config_path"], context=context, client_configuration=made)
        elif address.get("kube_config"):
            given = address["kube_config"]
            content = yaml.safe_load(given) if isinstance(given, str) else given
            config.load_kube_config_from_dict(content, context=context, client_configuration=made)
        else:
            _default(made, context)
    except (config.ConfigException, yaml.YAMLError, ValueError, TypeError, OSError) as err:
        raise ConfigError(
            f"the cluster's configuration cannot be read: {err}",
            hint="look at the connection of type kubernetes: kube_config, kube_config_path or in_cluster",
        ) from err
    if _is_true(address.get("disable_verify_ssl")):
        made.verify_ssl = False
    return made


def _is_true(value: object) -> bool:
    """Read a switch of a connection's extras, which may be text."""
    return str(value).lower() in {"true", "1", "yes"}


def _default(made: Any, context: str | None) -> None:
    from kubernetes import config

    try:
        config.load_incluster_config(client_configuration=made)
    except config.ConfigException:
        config.load_kube_config(context=context, client_configuration=made)


def collection(version: str, kind: str, namespace: str) -> str:
    """Give the path of all objects of a kind in a namespace."""
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{_PLURALS[kind]}"


def path_of(thing: Mapping[str, Any]) -> str:
    """Give the path of an object."""
    meta = thing["metadata"]
    return f"{collection(thing['apiVersion'], thing['kind'], meta['namespace'])}/{meta['name']}"


class Cluster:
    """The API server of one cluster."""

    def __init__(self, client: Any) -> None:
        self.client = client

    @classmethod
    def connect(cls, address: str) -> Self:
        """Connect by the JSON of an address; empty for the defaults."""
        from kubernetes import client

        return cls(client.ApiClient(configuration(json.loads(address) if address else {})))

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """Read an object or a list; None when there is none."""
        answer = self._ask("GET", path, query)
        return json.loads(answer) if answer else None

    def items(self, version: str, kind: str, namespace: str, **query: str) -> list[dict[str, Any]]:
        """List objects of a kind; `labelSelector` and `fieldSelector` choose."""
        found = self.get(collection(version, kind, namespace), query) or {}
        return list(found.get("items", []))

    def apply(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Apply an object on the server's side, as the owner of what it says; an object that is not ours is left alone.

        A conflict with a change at the same moment is tried again.
        """
        path, meta = path_of(thing), thing["metadata"]
        there = self.get(path)
        if there and not _is_ours(there):
            raise ConfigError(
                f"{thing['kind']} {meta['namespace']}/{meta['name']} is there already and is not ours",
                hint=f"delete it, choose another namespace, or label it {MANAGED_BY}={MANAGER} to hand it over",
            )
        query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        answer = self._ask("PATCH", path, query, thing, content="application/apply-patch+yaml")
        if answer is None:
            raise ConfigError(
                f"the cluster has no namespace {meta['namespace']}, or does not know {thing['kind']} "
                f"of {thing['apiVersion']}",
                hint=f"kubectl create namespace {meta['namespace']}"
                if thing["kind"] != "InferenceService"
                else "install KServe, or make the namespace",
            )
        made: dict[str, Any] = json.loads(answer)
        return made

    def delete(self, thing: Mapping[str, Any]) -> None:
        """Delete an object of ours with what it owns; nothing happens when there is none."""
        there = self.get(path_of(thing))
        if there and _is_ours(there):
            options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
            if uid := there["metadata"].get("uid"):
                options["preconditions"] = {"uid": uid}  # not what somebody else makes of that name meanwhile
            self._ask("DELETE", path_of(thing), body=options)

    def log(self, namespace: str, pod: str, *, container: str, lines: int, previous: bool = False) -> str:
        """Give the last lines of a container's log; '' when there is none."""
        query = {"container": container, "tailLines": str(lines), **({"previous": "true"} if previous else {})}
        try:
            return self._ask("GET", f"{collection('v1', 'Pod', namespace)}/{pod}/log", query) or ""
        except ConfigError:  # 400: the container has not started, or not yet for the second time
            return ""

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        content: str = "application/json",
    ) -> str | None:
        """Ask, again where that may help; None for 'not found'."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json, */*", "Content-Type": content}
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self.client.call_api(
                    path, method, {}, list((query or {}).items()), headers, body=body, auth_settings=["BearerToken"],
                    _preload_content=False, _return_http_data_only=True, _request_timeout=_TIMEOUT_SECONDS,
                )  # fmt: skip
                text: str = answer.data.decode(errors="replace")
            except ApiException as err:
                if err.status == _NOT_FOUND:
                    return None
                if err.status not in _PASSING or attempt == _TRIES:
                    raise _explained(method, path, err.status, message_of(err.body)) from err
            except HTTPError as err:
                raise TargetUnavailableError(f"the cluster does not answer: {err}") from err
            else:
                return text
            time.sleep(_PAUSE_SECONDS * 2**attempt)
        raise TargetUnavailableError(f"{method} {path} did not succeed")


def _is_ours(there: Mapping[str, Any]) -> bool:
    return (there["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER


def message_of(body: Any) -> str:
    """Give what an answer of the API server says."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        said = json.loads(text)
    except ValueError:
        return text[:500]
    return str(said.get("message") or said)[:1000] if isinstance(said, dict) else text[:500]


def _explained(method: str, path: str, status: int, message: str) -> ConfigError | TargetUnavailableError:
    what = {"PATCH": "apply", "GET": "read", "DELETE": "delete"}.get(method, method)
    if status == _CONFLICT:
        return TargetUnavailableError(
            f"the cluster did not {what} {path}: somebody else changes it all the time: {message}",
            hint="look who manages it: kubectl get … --show-managed-fields",
        )
    if status in _PASSING or not status:
        return TargetUnavailableError(f"the cluster did not {what} {path} (status {status}): {message}")
    if status in _REFUSED:
        return ConfigError(
            f"the cluster {_REFUSED[status]}: {what} {path}: {message}",
            hint="give the connection's account the rights of docs/deployment.md, or new credentials",
        )
    return ConfigError(f"the cluster refused to {what} {path} (status {status}): {message}")
