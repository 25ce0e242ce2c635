"""Trials in MLflow: each a child of the workflow's tracking run, logged once however often the search is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import RegistryError
from mlops_provider.runtime.tracking import client, locked, tracking_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient

    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.tuning.trial import Goal, Trial

TRIAL_TAG, PARENT_TAG = "mlops.trial", "mlflow.parentRunId"
_STATUS = {"finished": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_PAGE = 1000
_LONGEST = 4000
_MOST_PARAMETERS = 100


def log_trials(context: RunContext, goal: Goal, trials: Sequence[Trial], key: str) -> int:
    """Log the trials that the tracking run does not hold yet; give how many. No tracking: do nothing.

    They are logged together when the search has an end: a run of MLflow takes longer than many a trial.
    """
    if not context.tracking_uri or not trials:
        return 0
    from mlflow.exceptions import MlflowException

    try:
        api, parent = client(context.tracking_uri), tracking_run(context)
        experiment = str(api.get_run(parent).info.experiment_id)
        with locked(context.tracking_uri):
            known = _known(api, experiment, parent)
            new = [(tag, trial) for trial in trials if (tag := _tag(context, key, trial)) not in known]
            for tag, trial in new:
                _log(
                    api,
                    experiment,
                    {PARENT_TAG: parent, TRIAL_TAG: tag, "mlops.workflow": context.workflow},
                    goal,
                    trial,
                )
    except MlflowException as err:
        raise RegistryError(f"the trials could not be logged: {err}") from err
    return len(new)


def _tag(context: RunContext, key: str, trial: Trial) -> str:
    return f"{context.phase}/{key.rpartition('/')[2]}/{trial.number:05d}/{trial.state}"


def _known(api: MlflowClient, experiment: str, parent: str) -> set[str]:
    found: set[str] = set()
    page = None
    while True:
        runs = api.search_runs([experiment], f"tags.`{PARENT_TAG}` = '{parent}'", max_results=_PAGE, page_token=page)
        found.update(run.data.tags.get(TRIAL_TAG, "") for run in runs)
        page = runs.token
        if not page:
            return found


def _log(api: MlflowClient, experiment: str, tags: dict[str, str], goal: Goal, trial: Trial) -> None:
    from mlflow.entities import Metric, Param

    began = int(trial.started * 1000)
    ended = began + int(trial.seconds * 1000)
    more = {"mlops.state": trial.state} | ({"mlops.error": trial.error[:_LONGEST]} if trial.error else {})
    run = api.create_run(experiment, start_time=began, tags=tags | more, run_name=f"trial {trial.number}").info.run_id
    metrics = [Metric(f"{goal.metric}.fold", score, ended, step) for step, score in enumerate(trial.folds)]
    if trial.score is not None and trial.state != "failed":
        metrics.append(Metric(goal.metric, trial.score, ended, 0))
    metrics.append(Metric("seconds", trial.seconds, ended, 0))
    rows = {} if trial.rows is None else {"rows": trial.rows}
    params = [Param(name, str(value)[:_LONGEST]) for name, value in (trial.parameters | rows).items()]
    api.log_batch(run, metrics=metrics, params=params[:_MOST_PARAMETERS])
    api.set_terminated(run, _STATUS[trial.state], ended)
