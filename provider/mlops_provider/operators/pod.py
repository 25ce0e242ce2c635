"""KubernetesPodOperator with the pod of a phase. Importing it takes seconds: only what runs in a pod does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.providers.cncf.kubernetes.utils.xcom_sidecar import PodDefaults

from mlops_provider.runtime.places import pod as parts
from mlops_provider.runtime.targets.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from mlops_provider.runtime.places.work import Work

LOG_SECONDS = 30
"""How often the triggerer passes on the log of a pod that runs."""
START_SECONDS = 300


class PhasePodOperator(KubernetesPodOperator):
    """Run the work of a phase as a pod; a worker that is killed finds it again.

    `work` reaches the pod in a Secret, which is applied before the pod is made and belongs to it afterwards.
    """

    def __init__(self, *, work: Work, wanted: Mapping[str, Any], image: str, template: str, **kwargs: Any) -> None:
        startup = wanted.get("startup_timeout")
        super().__init__(
            name=parts.pod_name(work.recorded),
            kubernetes_conn_id=wanted.get("conn_id") or "kubernetes_default",
            namespace=wanted.get("namespace"),
            full_pod_spec=PodGenerator.deserialize_model_dict(parts.pod(work, wanted, image)),
            pod_template_file=template or None,
            labels=parts.labels(work.recorded),
            annotations={parts.ATTEMPT: str(work.context.attempt)},
            xcom_sidecar_container_security_context=_security(),
            startup_timeout_seconds=int(startup) if startup else START_SECONDS,
            termination_message_policy="FallbackToLogsOnError",
            logging_interval=LOG_SECONDS,
            log_events_on_failure=True,
            log_pod_spec_on_failure=False,
            do_xcom_push=True,
            durable=True,
            deferrable=True,
            on_finish_action="delete_pod",
            **kwargs,
        )
        self.own_image = image
        self.work = work
        self.ended: Any = None
        self.result: Any = None

    def begin(self, context: Context) -> None:
        """Make the pod, or find that of an earlier try, and defer until it has ended."""
        self.name: str | None = self._set_name(self.name)
        self.execute_async(context)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Keep what the pod returned: where it has ended already, its operator drops it."""
        self.result = super().trigger_reentry(context, event)
        return self.result

    def build_pod_request_obj(self, context: Context | None = None, **kwargs: Any) -> Any:
        """Let the side container run the phase's own image, unless the connection names one."""
        pod = super().build_pod_request_obj(context, **kwargs)
        if not self.hook.get_xcom_sidecar_container_image():
            for container in pod.spec.containers:
                if container.name == PodDefaults.SIDECAR_CONTAINER_NAME:
                    container.image, container.image_pull_policy = self.own_image, "IfNotPresent"
        return pod

    def get_or_create_pod(self, pod_request_obj: Any, context: Context) -> Any:
        """Apply the Secret before the pod needs it, and give it to the pod."""
        namespace = pod_request_obj.metadata.namespace
        self._apply(namespace, None)
        pod = super().get_or_create_pod(pod_request_obj, context)
        there = self.hook.get_pod(pod.metadata.name, namespace)
        self._apply(namespace, {"name": there.metadata.name, "uid": there.metadata.uid})
        return pod

    def cleanup(self, pod: Any, remote_pod: Any, *args: Any, **kwargs: Any) -> None:
        """Keep the last state of the pod before it is deleted."""
        self.ended = remote_pod
        super().cleanup(pod, remote_pod, *args, **kwargs)

    def last_state(self) -> dict[str, Any] | None:
        """Give the pod as it was last seen, as the API server writes it."""
        from kubernetes.client import ApiClient

        seen = self.ended or self.pod
        found: dict[str, Any] | None = ApiClient().sanitize_for_serialization(seen) if seen is not None else None
        return found

    def _apply(self, namespace: str, owner: Mapping[str, Any] | None) -> None:
        cluster = Cluster(self.client.api_client)
        cluster.apply(parts.secret(self.work.recorded, namespace, self.work.to_json(), owner))


def _security() -> Any:
    """Give what a container may do as the client's class, which the operator wants."""
    from kubernetes.client import V1Capabilities, V1SecurityContext

    return V1SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        capabilities=V1Capabilities(drop=["ALL"]),
    )
