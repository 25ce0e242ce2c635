"""Models that MLflow keeps go through the same checkpoints and servers, where the deployment trusts their loader."""

from __future__ import annotations

import json

import mlflow
import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.naive_bayes import GaussianNB

from mlops_dag_factory.spec import EvaluateSpec, SplitSpec, TrainSpec
from mlops_provider.exceptions import ConfigError, DataError, ImportNotAllowedError, ModelLoadError
from mlops_provider.serving.model import load_served
from mlops_provider.serving.payload import Rows
from mlops_provider.store.models import load_model
from mlops_provider.store.services import ServedVersion
from mlops_provider.store.store import Store
from mlops_provider.store.trust import Trust

ALLOWED = ("sklearn.", "mlops_provider.pyfunc")


class Rule(mlflow.pyfunc.PythonModel):
    """A model of no library: MLflow pickles it."""

    def predict(self, context, model_input, params=None):
        return (model_input["alcohol"].to_numpy() < 12.5).astype(int)


@pytest.fixture
def parts(bench):
    return bench.run(SplitSpec(data="d", test=0.3, seed=1), {"data": bench.dataset("sklearn:wine")}).outputs


def fetched(bench, parts, uri, **context):
    spec = TrainSpec(
        data="d", target="target", python="mlops_provider.pyfunc:fetch",
        parameters={"model_uri": str(uri), "tracking_uri": bench.tracking_uri},
    )  # fmt: skip
    return bench.run(spec, {"data": parts["train"]}, **{"allowed_imports": ALLOWED, **context}).outputs["model"]


@pytest.fixture
def bayes(tmp_path):
    inputs, truth = load_wine(return_X_y=True, as_frame=True)
    model = GaussianNB().fit(inputs, truth)
    mlflow.sklearn.save_model(model, tmp_path / "bayes", serialization_format="cloudpickle")
    return tmp_path / "bayes", model


def test_a_model_of_mlflow_is_judged_and_served_like_any_other(bench, parts, bayes):
    folder, model = bayes

    ref = fetched(bench, parts, folder)
    judge = EvaluateSpec(model="m", data="d", gates=["accuracy > 0.9"], evidently=False)
    verdict = bench.run(judge, {"model": ref, "data": parts["test"]}, allowed_imports=ALLOWED).verdict

    trusting = Store(bench.store.url, Trust(imports=ALLOWED))
    served = load_served(trusting, ServedVersion(version="1", model=ref))
    golden = load_model(trusting, ref).golden()
    rows = golden[model.feature_names_in_.tolist()]
    answer = served.predict(Rows(rows.columns.tolist(), rows.to_numpy().tolist()))
    assert verdict.status == "passed"
    assert load_model(trusting, ref).signature.classes == (0, 1, 2)
    assert list(answer.predictions) == model.predict(rows).tolist()
    assert np.allclose(load_model(trusting, ref).probabilities(rows), model.predict_proba(rows))
    needs = bench.store.open(ref).meta["requirements"]
    assert [need for need in needs if need.startswith("scikit-learn==")]
    assert [need for need in needs if need.startswith("mlflow")]


def test_the_registry_of_another_team_is_a_source(bench, parts, tmp_path):
    mlflow.set_tracking_uri(bench.tracking_uri)
    theirs = mlflow.create_experiment("theirs", artifact_location=(tmp_path / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=theirs):
        mlflow.pyfunc.log_model(name="rule", python_model=Rule(), registered_model_name="rule")

    ref = fetched(bench, parts, "models:/rule/1")

    trusting = Store(bench.store.url, Trust(imports=ALLOWED))
    model = load_model(trusting, ref)
    golden = model.golden()
    assert model.predict(golden).tolist() == (golden["alcohol"] < 12.5).astype(int).tolist()


def test_a_deployment_that_does_not_name_it_loads_none(bench, parts, bayes):
    ref = fetched(bench, parts, bayes[0])

    with pytest.raises(ImportNotAllowedError, match=r"mlops_provider\.pyfunc"):
        fetched(bench, parts, bayes[0], allowed_imports=("sklearn.",))
    with pytest.raises(ModelLoadError, match=r"mlops_provider\.pyfunc"):
        load_model(bench.store, ref)


def test_what_is_no_model_is_said(bench, parts, tmp_path, bayes):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is no MLflow model"):
        fetched(bench, parts, tmp_path / "empty")
    with pytest.raises(ConfigError, match="'models:/nobody/7' cannot be fetched"):
        fetched(bench, parts, "models:/nobody/7")
    with pytest.raises(ConfigError, match="there is no model to fetch"):
        fetched(bench, parts, "")
    iris = bench.run(SplitSpec(data="d", test=0.3), {"data": bench.dataset("sklearn:iris")}).outputs
    with pytest.raises(DataError, match="cannot predict for these features"):
        fetched(bench, iris, bayes[0])


def test_the_same_model_fetched_twice_is_the_same_content(bench, parts, bayes):
    first, second = fetched(bench, parts, bayes[0]), fetched(bench, parts, bayes[0], run_id="run-2")

    files = {file.name for file in (bench.store.open(first).folder / "model").iterdir()}
    assert first.digest == second.digest
    assert "MLmodel" in files
    assert json.loads((bench.store.open(first).folder / "loader.json").read_text()) == {
        "loader": "mlops_provider.pyfunc:Pyfunc"
    }
