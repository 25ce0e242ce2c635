"""A model that the monitor asked for is released only when it is better on the window that broke, too."""

from __future__ import annotations

import pytest

from mlops_dag_factory.spec import EvaluateSpec, TrainSpec
from mlops_provider.exceptions import CheckpointBlockedError
from mlops_provider.refs import ModelRef
from mlops_provider.runtime import tracking
from mlops_provider.runtime.outside import outside_of
from mlops_provider.runtime.records import run_records
from mlops_provider.runtime.table import connect, read_frame, write_dataset

BAYES = "sklearn.naive_bayes.GaussianNB"
TREE = "sklearn.tree.DecisionTreeClassifier"
LABELS = {"source": "labels", "column": "target"}


class Drifted:
    """A champion that reads digits; the camera turned its pictures round, and the monitor asked for a retraining."""

    def __init__(self, service):
        self.service, self.bench, self.runs = service, service.bench, 0
        champion = ModelRef(uri=service.ref.uri, digest=service.ref.digest)
        tracking.set_alias(self.bench.tracking_uri, "flow", tracking.CHAMPION, self.bench.version(champion).version)
        self.window = self.turned(service.rows)
        service.deliver(service.log(self.window), self.window["target"])
        checks = {"performance": ["precision >= 0.9"], "data_quality": {"missing": 0.5}}
        window, check, spec = service.look(labels=LABELS, checks=checks, policy={"consecutive": 1})
        self.window_ref = window.outputs["window"]
        inputs = {"window": self.window_ref, "report": check.outputs["report"]}
        if "due" in window.outputs:
            inputs["due"] = window.outputs["due"]
        self.reason = {"kind": "asset", "payload": service.phase("decide", spec, inputs).details["reason"]}

    @staticmethod
    def turned(frame):
        names = [name for name in frame.columns if name != "target"]
        turned = frame[names[::-1]].set_axis(names, axis=1)
        return turned.assign(target=frame["target"])

    def dataset(self, frame, columns="*"):
        with connect() as connection:
            connection.register("rows", frame)
            return write_dataset(self.bench.store, "flow", connection, f"SELECT {columns} FROM rows", lineage={})

    def train(self, frame, estimator=BAYES, columns="*"):
        spec = TrainSpec(data="d", target="target", estimator=estimator)
        return self.bench.run(spec, {"data": self.dataset(frame, columns)}).outputs["model"]

    def evaluate(self, model, data, reason=None, **fields):
        quick = {"slices": "none", "evidently": False, "metrics": ["accuracy"]}
        spec = EvaluateSpec(model="m", data="d", gates=["accuracy >= 0.1"], **quick, **fields)
        inputs = {"model": model, "data": data}
        self.runs += 1
        run_id, reason = f"retraining-{self.runs}", self.reason if reason is None else reason
        outcome = self.bench.run(spec, inputs, run_id=run_id, reason=reason)
        return outcome, {rule.rule: rule for rule in outcome.verdict.rules}

    def field(self):
        """Give rows of the turned camera that the window does not have."""
        return self.turned(read_frame(self.bench.store, self.service.train))


@pytest.fixture(scope="module")
def camera(shared_watched):
    return Drifted(shared_watched("sklearn:digits", BAYES))


def test_a_model_that_is_better_there_passes_with_value_interval_and_rows(camera):
    model = camera.train(camera.field())

    outcome, rules = camera.evaluate(model, camera.service.test)

    rule = rules["drifted_window"]
    assert rule.result == "passed"
    assert rule.n == len(camera.window)
    assert rule.value > rule.baseline + 0.2
    assert 0 < rule.values["low"] < rule.values["value"] < rule.values["high"]
    assert "precision is" in rule.why, "the metric whose gate broke"
    folder = camera.bench.store.open(outcome.outputs["report"]).folder
    assert "On the window that asked for this model" in (folder / "report.html").read_text()


def test_a_model_that_is_no_better_there_is_blocked(camera):
    same = camera.train(read_frame(camera.bench.store, camera.service.train))  # nothing new was there to learn

    with pytest.raises(CheckpointBlockedError, match=r"the champion's .* not better"):
        camera.evaluate(same, camera.service.test)

    rules = run_records(camera.bench.store, "flow", f"retraining-{camera.runs}")[-1]["verdict"]["rules"]
    [failed] = [rule for rule in rules if rule["result"] == "failed"]
    assert failed["rule"] == "drifted_window"


def test_the_champion_itself_is_no_better_but_not_worse_either(camera):

    _, rules = camera.evaluate(camera.service.ref, camera.service.test, drifted_window="not_worse")

    assert rules["drifted_window"].result == "passed"
    assert rules["drifted_window"].values["value"] == 0
    _, rules = camera.evaluate(camera.service.ref, camera.service.test, drifted_window="off")
    assert "drifted_window" not in rules


def test_rows_that_the_model_has_learnt_do_not_count(camera):
    rows = len(camera.window)
    some, whole = camera.train(camera.window.iloc[:200]), camera.train(camera.window)

    _, rules = camera.evaluate(some, camera.service.test)
    assert rules["drifted_window"].n == rows - 200

    _, rules = camera.evaluate(whole, camera.service.test)
    assert rules["drifted_window"].result == "not_applicable"
    assert f"it has learnt {rows} of them; 30 are needed" in rules["drifted_window"].why


def test_rows_with_missing_values_are_known_again_however_they_are_missing(camera):
    hidden = "* REPLACE (CASE WHEN {0} > 5 THEN {1} ELSE {0} END AS {0})"
    model = camera.train(camera.window, TREE, hidden.format("pixel_3_3", "'nan'::DOUBLE"))
    logged = read_frame(camera.bench.store, camera.window_ref)
    window = camera.dataset(logged, hidden.format("x_pixel_3_3", "NULL"))
    reason = {"kind": "asset", "payload": {**camera.reason["payload"], "due": "", "window": window.uri}}

    _, rules = camera.evaluate(model, camera.service.test, reason=reason)

    assert f"it has learnt {len(camera.window)} of them" in rules["drifted_window"].why


def test_rows_whose_labels_came_when_there_were_no_new_ones_judge_too(camera):
    payload = {**camera.reason["payload"], "window": "", "due": camera.window_ref.uri}

    _, rules = camera.evaluate(
        camera.train(camera.field()), camera.service.test, reason={"kind": "asset", "payload": payload}
    )

    assert rules["drifted_window"].result == "passed"


@pytest.mark.parametrize(
    ("broke", "judged"),
    [(["data_drift"], "window"), (["data_drift where a = b", "data_quality"], "window"), (["precision >= 0.9"], "due")],
)
def test_where_only_features_moved_rows_whose_labels_came_late_do_not_judge(camera, broke, judged):
    logged = read_frame(camera.bench.store, camera.window_ref)
    before = camera.dataset(logged.iloc[:100].assign(truth=0))  # of a time in which all was well
    payload = {**camera.reason["payload"], "rules": [{"rule": rule} for rule in broke], "due": before.uri}

    _, rules = camera.evaluate(
        camera.service.ref,
        camera.service.test,
        reason={"kind": "asset", "payload": payload},
        drifted_window="not_worse",
    )

    assert rules["drifted_window"].n == {"window": len(camera.window), "due": 100}[judged]


def test_rows_without_a_label_cannot_judge_and_that_is_said(camera):
    payload = camera.reason["payload"]
    frame = read_frame(camera.bench.store, camera.window_ref)
    few = camera.dataset(frame.assign(truth=frame["truth"].where(frame.index < 10)))
    reason = {"kind": "asset", "payload": {**payload, "due": "", "window": few.uri}}

    _, rules = camera.evaluate(camera.train(camera.field()), camera.service.test, reason=reason)

    assert rules["drifted_window"].result == "not_applicable"
    assert "10 rows of the window have a label; 30 are needed" in rules["drifted_window"].why


def test_a_run_that_nobody_asked_for_is_judged_by_its_gates_alone(camera):

    for reason in ({"kind": "manual", "by": "ana"}, {"kind": "asset", "payload": {"rows": 3}}):
        _, rules = camera.evaluate(camera.service.ref, camera.service.test, reason=reason)
        assert list(rules) == ["accuracy >= 0.1"]


def test_a_window_that_is_gone_cannot_judge_and_that_is_said(camera):
    gone = {
        "kind": "asset",
        "payload": {**camera.reason["payload"], "due": "", "window": f"{camera.bench.store.url}/x"},
    }

    _, rules = camera.evaluate(camera.service.ref, camera.service.test, reason=gone)

    assert rules["drifted_window"].result == "not_applicable"
    assert "/x" in rules["drifted_window"].why


def test_the_cache_does_not_take_an_evaluation_for_another_window(camera):
    spec = EvaluateSpec(model="m", data="d")
    states = [
        outside_of(spec, camera.bench.context("e", "evaluate", reason=reason)).state
        for reason in (camera.reason, {}, camera.reason)
    ]

    assert states[0] == states[2] != states[1]
