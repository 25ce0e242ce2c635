"""A Deployment of a cluster, and what belongs to it: applied on the server's side, so that a second time updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.targets.cluster import Cluster, path_of
from mlops_provider.runtime.targets.judgement import is_ready, judge, name_of, pods_of, state_of
from mlops_provider.runtime.targets.naming import object_name
from mlops_provider.runtime.targets.objects import every_object, objects, selector, unwanted
from mlops_provider.runtime.targets.target import Instance, Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_provider.store.placements import Placement

_SHOWN_PODS, _SHOWN_EVENTS, _SHOWN_LINES = 3, 5, 15
_HTTP_PORT = 80
_VERSION_LABEL = "app.kubernetes.io/version"


class KubernetesTarget:
    """The objects of services in one cluster."""

    container = "server"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @classmethod
    def connect(cls, address: str) -> Self:
        """Connect to the cluster of an address, the JSON of a connection's extras."""
        return cls(Cluster.connect(address))

    def apply(self, placement: Placement) -> None:
        """Apply every object."""
        replicas = self._replicas(placement) if placement.autoscale else None
        for thing in objects(placement, replicas=replicas):
            self.cluster.apply(thing)

    def look(self, placement: Placement) -> Progress:
        """Read the Deployment and its pods."""
        return judge(self._deployment(placement), self.pods(placement), placement)

    def url(self, placement: Placement) -> str:
        """Give the address inside the cluster."""
        port = "" if placement.port == _HTTP_PORT else f":{placement.port}"
        return f"http://{object_name(*placement.service)}.{placement.namespace}.svc{port}"

    def settle(self, placement: Placement) -> None:
        """Delete what an earlier placement had and this one has not; old pods the cluster has ended itself."""
        for thing in unwanted(placement):
            self.cluster.delete(thing)

    def explain(self, placement: Placement) -> str:
        """Give how pods are, what the cluster warns of and what the server wrote last."""
        said: list[str] = []
        try:
            pods = [pod for pod in pods_of(self.pods(placement), placement) if not is_ready(pod)]
            for pod in pods[:_SHOWN_PODS]:
                said.append(f"pod {name_of(pod)}: {state_of(pod, placement)}")
                said += [f"  {line}" for line in self._last_words(pod, placement)]
            said += [f"event: {event}" for event in self._warnings(placement)]
        except MlopsError as err:  # the reason for the failure counts, not why there is no more to say of it
            said.append(f"no more is known: {err.message}")
        return "\n".join(said)

    def status(self, placement: Placement) -> list[Instance]:
        """Give the pods of the service."""
        found = []
        for pod in self.pods(placement):
            ready = is_ready(pod)
            version = (pod["metadata"].get("labels") or {}).get(_VERSION_LABEL, "")
            phase = str((pod.get("status") or {}).get("phase", "unknown")).lower()
            ending = bool(pod["metadata"].get("deletionTimestamp"))
            found.append(
                Instance(
                    name=name_of(pod),
                    version=version,
                    status="ending" if ending else "ready" if ready else phase,
                    message="" if ready else state_of(pod, placement),
                )
            )
        return found

    def stop(self, placement: Placement) -> None:
        """Delete every object; the cluster ends the pods gracefully."""
        for thing in every_object(placement):
            self.cluster.delete(thing)

    def logs(self, placement: Placement, lines: int) -> str:
        """Give the last lines of every pod."""
        return "\n".join(f"== {name_of(pod)}\n{self._log(pod, placement, lines)}" for pod in self.pods(placement))

    def pods(self, placement: Placement) -> list[dict[str, Any]]:
        """Give all pods of the service, those of earlier placements too."""
        return self.cluster.items("v1", "Pod", placement.namespace, labelSelector=label_selector(placement))

    def _deployment(self, placement: Placement) -> dict[str, Any] | None:
        [deployment] = [thing for thing in objects(placement) if thing["kind"] == "Deployment"]
        return self.cluster.get(path_of(deployment))

    def _replicas(self, placement: Placement) -> int | None:
        deployment = self._deployment(placement)
        return int(deployment["spec"].get("replicas", 1)) if deployment else None

    def _last_words(self, pod: Mapping[str, Any], placement: Placement) -> list[str]:
        text = self._log(pod, placement, _SHOWN_LINES, previous=True) or self._log(pod, placement, _SHOWN_LINES)
        return text.strip().splitlines()[-_SHOWN_LINES:]

    def _log(self, pod: Mapping[str, Any], placement: Placement, lines: int, *, previous: bool = False) -> str:
        return self.cluster.log(
            placement.namespace, name_of(pod), container=self.container, lines=lines, previous=previous
        ).rstrip()

    def _warnings(self, placement: Placement) -> list[str]:
        """Give what the cluster warned of lately about anything of the service, each once."""
        name = object_name(*placement.service)
        events = self.cluster.items("v1", "Event", placement.namespace, fieldSelector="type=Warning")
        about = [event for event in events if _is_about(event, name) and event.get("type") == "Warning"]
        about.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        return list(_once(f"{event.get('reason', '')}: {event.get('message', '')}" for event in about))[-_SHOWN_EVENTS:]


def label_selector(placement: Placement) -> str:
    """Give the selector of a service's pods, as a query has it."""
    return ",".join(f"{key}={value}" for key, value in selector(placement).items())


def _is_about(event: Mapping[str, Any], name: str) -> bool:
    subject = str((event.get("involvedObject") or {}).get("name", ""))
    return subject == name or subject.startswith(f"{name}-")


def _once(texts: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(texts)
