"""The champion on the same rows: its answers, or why there are none to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime import tracking
from mlops_provider.runtime.answers import Answers
from mlops_provider.store.models import load_model

if TYPE_CHECKING:
    import pandas as pd

    from mlops_dag_factory.spec.evaluate import EvaluateSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.models import Signature


@dataclass(frozen=True, slots=True)
class Champion:
    """The champion's answers, or None; `note` says which version it is, or why there is nothing to compare with."""

    answers: Answers | None
    note: str


def champion_ref(config: EvaluateSpec, context: RunContext) -> ModelRef | None:
    """Give the champion of the name that is compared with; None where nobody asks or there is none."""
    if config.compare_to == "none" or not context.tracking_uri:
        return None
    return tracking.champion(context.store(), context.tracking_uri, config.name or context.workflow)


def judged_against(config: EvaluateSpec, context: RunContext, ref: ModelRef | None) -> dict[str, str] | None:
    """Give what a release compares with who is champion by then: name, version and digest, empty for no champion."""
    if config.compare_to == "none" or not context.tracking_uri:
        return None
    name = config.name or context.workflow
    return {"name": name, "version": ref.version if ref else "", "digest": ref.digest if ref else ""}


def ask_champion(
    config: EvaluateSpec, context: RunContext, ref: ModelRef | None, signature: Signature, frame: pd.DataFrame
) -> Champion:
    """Let the champion answer the same rows; what a retry may mend is raised."""
    if config.compare_to == "none" or not context.tracking_uri:
        return Champion(None, "no comparison was asked for")
    if ref is None:
        return Champion(None, "there is no champion to compare with yet")
    try:
        champion = load_model(context.store(), ref)
        reason = other_problem(signature, champion.signature)
        if reason:
            return Champion(None, f"the champion (version {ref.version}) {reason}")
        answers = Answers.of(champion, frame)
    except MlopsError as err:
        if err.retryable:
            raise
        return Champion(None, f"the champion (version {ref.version}) cannot be compared: {err.message}")
    return Champion(answers, f"the champion is version {ref.version}")


def other_problem(ours: Signature, theirs: Signature) -> str:
    """Say in which way a model solves another problem, so that metrics mean something else; empty where it does not."""
    if theirs.targets() != ours.targets():
        return f"predicts '{', '.join(theirs.targets())}'"
    if theirs.task != ours.task:
        return f"is a model of another task: {theirs.task}, not {ours.task}"
    if (theirs.query, theirs.timestamp, theirs.season) != (ours.query, ours.timestamp, ours.season):
        return "orders or groups the rows by other columns"
    if theirs.kind != ours.kind or (ours.kind == "binary" and theirs.classes != ours.classes):
        return f"tells other classes apart: {', '.join(map(str, theirs.classes[:10]))}"
    return ""
