"""Runtime `kubernetes`: the phase runs in a pod, and no worker waits for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, TaskDeferred

from mlops_provider.exceptions import ConfigError, PlaceError
from mlops_provider.runtime.outside import Outside
from mlops_provider.runtime.places.image import is_pinned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import Context

    from mlops_provider.operators.phase import PhaseOperator
    from mlops_provider.runtime.places.work import Work

RESUME = "resume_pod"
"""The method of the phase's operator that goes on when the pod has ended."""


@dataclass(slots=True)
class PodPlace:
    """`wanted` are the resources of the phase, `template` a file with what all pods have.

    `event` is set where the task comes back from the triggerer.
    """

    operator: PhaseOperator
    context: Context
    wanted: Mapping[str, Any]
    image: str
    template: str = ""
    event: dict[str, Any] | None = None
    _pod: Any = None

    def described(self) -> dict[str, Any]:
        """Say which image it is."""
        return {"runtime": "kubernetes", "image": self.image}

    def environment(self) -> Outside:
        """Say that the image counts, where its name is a digest."""
        never = "" if is_pinned(self.image) else f"image '{self.image}' may change: name it by its digest, @sha256:…"
        return Outside({"image": self.image}, never)

    def run(self, work: Work, say: Callable[[str], None]) -> dict[str, Any]:
        """Make the pod and defer; come back for what it returned."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        from mlops_provider.operators.pod import PhasePodOperator

        self._check(work)
        self._pod = pod = PhasePodOperator(
            task_id=self.operator.task_id.rpartition(".")[2],
            execution_timeout=self.operator.execution_timeout,
            work=work,
            wanted=self.wanted,
            image=self.image,
            template=self.template,
        )
        try:
            if self.event is None:
                pod.begin(self.context)
            else:
                pod.trigger_reentry(self.context, self.event)
        except TaskDeferred as deferred:
            say("the pod runs; no worker waits for it")
            raise TaskDeferred(
                trigger=deferred.trigger, method_name=RESUME, kwargs=deferred.kwargs, timeout=deferred.timeout
            ) from None
        except ApiException as err:
            raise _refused(err) from err
        except HTTPError as err:
            raise PlaceError(f"the cluster does not answer: {err}") from err
        except AirflowException as err:
            raise self._failure(work, str(err)) from err
        return pod.result or _recorded(work)

    def kill(self) -> None:
        """Delete the pod."""
        if self._pod is not None:
            self._pod.on_kill()

    def _check(self, work: Work) -> None:
        if work.context.store().local and not self.template:
            raise ConfigError(
                f"pods do not see the store: {work.context.store_url} is a folder of this machine",
                hint="give [mlops] store a URL, or mount it by the pod template of [mlops] pod_template",
            )

    def _failure(self, work: Work, said: str) -> Exception:
        from mlops_provider.runtime.places.pod import ATTEMPT, failure_of

        state = self._pod.last_state()
        made = ((state or {}).get("metadata") or {}).get("annotations") or {}
        context = replace(work.recorded, attempt=int(made.get(ATTEMPT, work.context.attempt)))
        return failure_of(state, context, self.wanted.get("memory") or "", said.strip().rpartition("\n")[2][:2000])


def _refused(err: Any) -> Exception:
    """Give the error of an answer of the API server."""
    from mlops_provider.exceptions import WorkFailedError
    from mlops_provider.runtime.targets.cluster import message_of

    said = message_of(err.body)
    passing = err.status in {0, 409, 429, 500, 502, 503, 504} or "exceeded quota" in said
    message = f"the cluster does not take the pod of the phase (status {err.status}): {said}"
    return (
        PlaceError(message)
        if passing
        else WorkFailedError(message, hint="docs/deployment.md names the rights it needs")
    )


def _recorded(work: Work) -> dict[str, Any]:
    """Give what the record says, where the pod was gone before what it returned could be read."""
    from mlops_provider.runtime.records import latest_result

    context = work.recorded
    found = latest_result(context.store(), context.workflow, context.phase, run_id=context.run_id)
    if found is None:
        raise PlaceError("the pod of the phase was gone before its result could be read")
    return found
