"""A model that a monitor asked for is judged on the window that broke, too: whether it is better than the champion.

Only labelled rows that the model has not learnt count. The gain is that of `runtime/gains.py`: a paired comparison on
the same rows, with its 95 % interval.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError, NotFoundInStoreError
from mlops_provider.expressions import Expression
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.champion import other_problem
from mlops_provider.runtime.gains import gains
from mlops_provider.runtime.metrics import known, usual
from mlops_provider.runtime.monitor.performance.log_answers import data_of
from mlops_provider.runtime.predictions import FAILED_STATUS
from mlops_provider.runtime.resampling import resample
from mlops_provider.runtime.sql import columns_of, identifier
from mlops_provider.runtime.table import connect, read_frame, scan
from mlops_provider.store.models import load_model
from mlops_provider.store.store import MANIFEST
from mlops_provider.verdicts import RuleResult, metric_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_dag_factory.spec.evaluate import EvaluateSpec
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.models import LoadedModel, Signature
    from mlops_provider.store.store import Store

RULE = "drifted_window"
LEAST_ROWS = 30
_OF_FEATURES = frozenset({"data_drift", "prediction_drift", "data_quality", "unseen_categories", "multivariate_drift"})
"""Rules that need no labels."""
_TASKS = frozenset({"classification", "regression"})


@dataclass(frozen=True, slots=True)
class DriftedWindow:
    """What was found: the rule of the verdict, and the numbers behind it."""

    rule: RuleResult
    numbers: dict[str, Any] = field(default_factory=dict)

    def section(self) -> str:
        """Write the part of the evaluation's page."""
        css = {"passed": "passed", "failed": "failed"}.get(self.rule.result, "dim")
        said = f"<p class={css}>{escape(self.rule.why)}</p>"
        asked = escape(str(self.numbers.get("why", "")))
        return f"<h2>On the window that asked for this model</h2>{said}<p class=dim>It was asked for: {asked}</p>"


def asked_by(context: RunContext) -> Mapping[str, Any]:
    """Give the reason of a run that a monitor asked for; nothing where it was something else."""
    payload = context.reason.get("payload")
    return payload if isinstance(payload, dict) and payload.get("monitor") and rows_of(payload) else {}


def rows_of(reason: Mapping[str, Any]) -> str:
    """Give the URI of the rows that broke.

    They are those whose label was due. Where it was only what was asked that broke, they are those of the window:
    rows whose labels came late are of a time in which all was well.
    """
    window, due = str(reason.get("window") or ""), str(reason.get("due") or "")
    rules = [str(rule["rule"]).partition(" ")[0] for rule in reason.get("rules") or ()]
    return window or due if rules and _OF_FEATURES.issuperset(rules) else due or window


def judge_drifted_window(
    config: EvaluateSpec, context: RunContext, model: LoadedModel, champion: ModelRef | None
) -> DriftedWindow | None:
    """Compare the model with the champion on the window; None where no monitor asked, or the workflow does not.

    What cannot be compared is not applicable, and says why.
    """
    reason = asked_by(context)
    if not reason or config.drifted_window == "off":
        return None
    try:
        return _judge(config, context, model, champion, reason)
    except MlopsError as err:
        if err.retryable:
            raise
        return _not_judged(reason, err.message)


def _judge(
    config: EvaluateSpec, context: RunContext, model: LoadedModel, champion: ModelRef | None, reason: Mapping[str, Any]
) -> DriftedWindow:
    store, signature = context.store(), model.signature
    if champion is None:
        return _not_judged(reason, "there is no champion to compare with")
    if signature.task not in _TASKS:
        return _not_judged(reason, f"the log is not enough to measure a model of task '{signature.task}'")
    other = load_model(store, champion)
    if problem := other_problem(signature, other.signature):
        return _not_judged(reason, f"the champion (version {champion.version}) {problem}")
    rows = _labelled(store, reason, signature)
    unknown = _unlearnt(store, model, rows)
    numbers = {"why": reason.get("why", ""), "window": rows_of(reason), "labelled": len(rows), "rows": len(unknown)}
    if len(unknown) < LEAST_ROWS:
        learnt = f", it has learnt {len(rows) - len(unknown):,} of them" if len(unknown) < len(rows) else ""
        why = f"{len(rows):,} rows of the window have a label{learnt}; {LEAST_ROWS} are needed that it has not learnt"
        return _not_judged(reason, why, numbers)
    ours, theirs = Answers.of(model, unknown), Answers.of(other, unknown)
    undefined: dict[str, str] = {}
    metric = _metric(reason, signature)
    found, of_champion = ours.measure([metric], undefined), theirs.measure([metric], undefined)
    if metric not in found or metric not in of_champion:
        return _not_judged(reason, f"{metric} is not defined there: {undefined.get(metric, 'no value')}", numbers)
    gain = gains(ours, theirs, found, of_champion, resample([ours, theirs], [metric]))[metric]
    numbers |= {"metric": metric, metric: found[metric], "champion": of_champion[metric], "gain": gain.to_dict()}
    better = gain.low > 0 if gain.low is not None else gain.value > 0
    holds = better or (
        config.drifted_window == "not_worse" and (gain.high if gain.high is not None else gain.value) >= 0
    )
    between = f" ({gain.low:+.3g} to {gain.high:+.3g})" if gain.low is not None and gain.high is not None else ""
    chance = f", p = {gain.p_value:.2g}" if gain.p_value is not None else ""
    word = "better" if better else "not worse" if holds else "not better"
    why = (
        f"on {len(unknown):,} labelled rows of the window that asked for this model {metric} is {found[metric]:.4g}, "
        f"the champion's {of_champion[metric]:.4g}: a gain of {gain.value:+.3g}{between}{chance}, {word}"
    )
    rule = RuleResult(
        rule=RULE,
        result="passed" if holds else "failed",
        why=why,
        values=gain.to_dict(),
        value=found[metric],
        baseline=of_champion[metric],
        n=len(unknown),
    )
    return DriftedWindow(rule, numbers)


def _not_judged(reason: Mapping[str, Any], why: str, numbers: dict[str, Any] | None = None) -> DriftedWindow:
    said = f"the window that asked for this model cannot judge it: {why}"
    about = numbers or {"why": reason.get("why", ""), "window": rows_of(reason)}
    return DriftedWindow(RuleResult(rule=RULE, result="not_applicable", why=said, n=about.get("rows")), about)


def _labelled(store: Store, reason: Mapping[str, Any], signature: Signature) -> pd.DataFrame:
    """Give the window's labelled rows as a model takes them: features by name, and the target."""
    frame = read_frame(store, _dataset(store, rows_of(reason)))
    frame = frame[(frame["status"] < FAILED_STATUS) & frame["truth"].notna()]
    return data_of(signature, frame[~frame["again"]] if "again" in frame else frame)


def _unlearnt(store: Store, model: LoadedModel, rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows whose features are those of a training row: the model knows the answer."""
    digest = str(store.open(model.ref).meta["lineage"]["data"])
    workflow = store.key(model.ref.uri).partition("/")[0]
    training = _dataset(store, store.uri(f"{workflow}/datasets/{digest[:20]}"))
    with connect() as connection:
        source = f"(SELECT * FROM {scan(store, training)})"
        present = columns_of(connection, source)
        names = [name for name in model.signature.names() if name in rows and name in present]
        if not names or rows.empty:
            return rows
        connection.register("mlops_rows", rows.assign(mlops_place=range(len(rows))))
        key = ", ".join(_key(name, rows[name]) for name in names)
        seen = connection.execute(
            f"SELECT mlops_place FROM mlops_rows WHERE hash({key}) IN (SELECT hash({key}) FROM {source})"
        ).fetchnumpy()["mlops_place"]
    unlearnt: pd.DataFrame = rows.drop(index=rows.index[seen]).reset_index(drop=True)
    return unlearnt


def _key(name: str, values: pd.Series[Any]) -> str:
    """Give the SQL of a feature of the log and of the training rows in the one type in which they are compared."""
    if values.dtype.kind in "biuf":
        return f"nullif(TRY_CAST({identifier(name)} AS DOUBLE), 'nan'::DOUBLE)"
    return f"CAST({identifier(name)} AS VARCHAR)"


def _dataset(store: Store, uri: str) -> DatasetRef:
    """Give the reference of a dataset by its URI."""
    try:
        manifest = json.loads(store.files.read(f"{store.key(uri)}/{MANIFEST}"))
    except FileNotFoundError as err:
        raise NotFoundInStoreError(uri) from err
    return DatasetRef(uri=uri, digest=manifest["digest"], rows=0)


def _metric(reason: Mapping[str, Any], signature: Signature) -> str:
    """Give the metric whose gate broke in the window, else the first that is usual."""
    for rule in reason.get("rules") or ():
        try:
            names = Expression.parse(str(rule["rule"])).names()
        except MlopsError:
            continue
        for name in map(metric_of, names):
            if name in known(signature.kind):
                return name
    return usual(signature.kind)[0]
