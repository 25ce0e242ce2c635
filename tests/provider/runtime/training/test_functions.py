"""Any framework by a function: trained, evaluated, loaded by the model server, without pickle; and what goes wrong."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from sklearn.datasets import load_breast_cancer
from tests.provider.runtime.training import frameworks

from mlops_dag_factory.spec import EvaluateSpec
from mlops_provider.exceptions import (
    ConfigError,
    DigestMismatchError,
    FunctionError,
    ImportNotAllowedError,
    ModelLoadError,
)
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.records import read_record
from mlops_provider.serving.model import load_served
from mlops_provider.store.models import load_model
from mlops_provider.store.services import ServedVersion
from mlops_provider.store.store import Store
from mlops_provider.store.trust import Trust

FUNCTIONS = "tests.provider.runtime.training.frameworks"
LIGHTGBM = ("collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier")
ANY_FRAMEWORK = [
    {"python": f"{FUNCTIONS}:fit_net", "parameters": {"width": 6}},
    {"python": f"{FUNCTIONS}:fit_booster", "task": "regression"},
    {"estimator": "lightgbm.LGBMClassifier", "parameters": {"n_estimators": 20}},
]


@pytest.mark.parametrize("fields", ANY_FRAMEWORK)
def test_a_model_of_any_framework_is_trained_evaluated_served_and_repeated(gym, tumours, fields):
    gym.types = LIGHTGBM

    first, second = gym.train(tumours, **fields), gym.train(tumours, **fields)

    ref = first.outputs["model"]
    assert ref.digest == second.outputs["model"].digest
    served = load_served(gym.store, ServedVersion(version="1", model=ref))  # answers the golden rows as in training
    inputs, target = load_breast_cancer(return_X_y=True, as_frame=True)
    assert ((served.loaded.predict(inputs) > 0.5) == target).mean() > 0.95
    spec = EvaluateSpec(model="m", data="d", gates=[] if "task" in fields else ["accuracy >= 0.95"])
    context = gym.bench.context("e", "evaluate", tracking_uri="", allowed_imports=gym.imports, trusted_types=gym.types)
    evaluated = run_phase(spec, {"model": [ref], "data": [tumours]}, context).outcome
    assert evaluated.metrics


def test_what_the_function_imports_is_recorded(gym, tumours):
    import torch

    outcome = gym.train(tumours, python=f"{FUNCTIONS}:fit_net")

    assert f"torch=={torch.__version__}" in outcome.details["requirements"]
    assert not [line for line in outcome.details["requirements"] if line.startswith("skops")]


@pytest.mark.parametrize(
    ("fields", "trust", "message"),
    [
        (ANY_FRAMEWORK[0], Trust(), r"frameworks:Net' may not be imported"),
        (ANY_FRAMEWORK[2], Trust(imports=("lightgbm.",)), r"not trusted: collections.OrderedDict, lightgbm.basic.Boo"),
    ],
)
def test_nothing_runs_of_a_model_that_the_deployment_does_not_trust(gym, tumours, fields, trust, message, monkeypatch):
    gym.types = LIGHTGBM
    ref = gym.train(tumours, **fields).outputs["model"]
    monkeypatch.setattr(frameworks.Net, "load", lambda folder: pytest.fail("it ran"))

    with pytest.raises(ModelLoadError, match=message):
        load_model(Store(gym.bench.store.url, trust), ref)


def test_the_class_that_loads_is_part_of_the_digest(gym, tumours):
    ref = gym.train(tumours, python=f"{FUNCTIONS}:fit_net").outputs["model"]
    file = gym.store.open(ref).folder / "loader.json"
    file.write_text(file.read_text().replace(":Net", ":Bet"))

    with pytest.raises(DigestMismatchError):
        load_model(gym.store, ref)


def test_a_server_reads_what_it_trusts_from_its_environment(monkeypatch):
    monkeypatch.setenv("AIRFLOW__MLOPS__TRUSTED_TYPES", "lightgbm.basic.Booster, collections.OrderedDict")
    monkeypatch.setenv("AIRFLOW__MLOPS__ALLOWED_IMPORTS", "sklearn.,ours.")

    trust = Trust.from_environment()

    assert trust == Trust(types=("lightgbm.basic.Booster", "collections.OrderedDict"), imports=("sklearn.", "ours."))


def test_an_estimator_of_types_that_are_not_trusted_says_which_setting(gym, tumours):
    with pytest.raises(ModelLoadError, match=r"(?s)lightgbm\.basic\.Booster.*\[mlops\] trusted_types"):
        gym.train(tumours, **ANY_FRAMEWORK[2])


def test_a_function_gets_what_it_asks_for_by_name(gym, tumours):
    model = gym.fit(tumours, python=f"{FUNCTIONS}:fit_everything", class_weight="balanced")

    assert model.signature.classes == (0, 1)


def test_a_function_gets_the_rows_that_judge(gym, tumours):
    wrong = gym.sql("SELECT * REPLACE (1 - target AS target) FROM data")

    outcome = gym.train(tumours, validation=wrong, python=f"{FUNCTIONS}:fit_on_validation")

    assert (outcome.metrics["validation_score"], outcome.metrics["train_score"]) == (1.0, 0.0)


def test_the_global_generators_are_seeded_for_a_function(gym, tumours):
    digests = [gym.train(tumours, python=f"{FUNCTIONS}:draws", seed=seed).outputs["model"].digest for seed in (1, 1, 2)]

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("raises", FunctionError, r"(?s)frameworks:raises' failed\n.*return shape\[\"columns\"\].*KeyError: 'columns'"),
        ("exits", FunctionError, r"ended the process with sys.exit\(0\)"),
        ("returns_a_number", ConfigError, "returned int, which cannot predict"),
        ("fit_wrong", ConfigError, r"gives answers of shape \(568,\) for 569 rows, \(569,\) is wanted"),
        ("fit_lost", ModelLoadError, r"not trusted: .*Lost"),
        ("wants_more", ConfigError, r"(?s)wants 'targets', which a training does not give.*did you mean 'target'"),
        ("FUNCTIONS_OF_OTHERS", Exception, "has no 'FUNCTIONS_OF_OTHERS'"),
    ],
)
def test_what_a_function_does_wrong_is_said(gym, tumours, function, error, message):
    with pytest.raises(error, match=message) as caught:
        gym.train(tumours, python=f"{FUNCTIONS}:{function}")
    assert len(str(caught.value)) < 4000
    assert "training/function.py" not in str(caught.value)
    assert gym.bench.store.files.list("flow/models") == []


def test_weights_for_a_function_that_takes_none_are_refused(gym, tumours):
    with pytest.raises(ConfigError, match="has no parameter 'weights'"):
        gym.train(tumours, python=f"{FUNCTIONS}:fit_net", class_weight="balanced")


def test_a_function_outside_the_allowed_imports_does_not_run(gym, tumours):
    gym.imports = ("sklearn.",)

    with pytest.raises(ImportNotAllowedError):
        gym.train(tumours, python=f"{FUNCTIONS}:fit_net")


def test_secrets_that_we_know_are_in_no_log_and_no_record(gym, tumours, capsys, caplog, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgresql://ana:hunter-two-2@db/sales")
    logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))

    try:
        with pytest.raises(FunctionError, match=r"login \*\*\* was refused") as caught:
            gym.train(tumours, python=f"{FUNCTIONS}:chatters")
    finally:
        logging.getLogger().handlers.pop()

    said = "".join(capsys.readouterr())
    record = str(read_record(gym.bench.store, f"{gym.bench.store.url}/flow/runs/run-1/t/0001.json"))
    assert "connecting with ***" in said
    assert "half of it: ***" in said
    assert "the password is ***" in said
    assert not [text for text in (said, record, str(caught.value), caplog.text) if "hunter-two-2" in text]


def test_a_killed_training_leaves_nothing_behind_but_scratch(gym, tumours):
    code = (
        "from tests.provider.runtime.training.test_functions import *\n"
        "from mlops_dag_factory.spec import TrainSpec\n"
        "from mlops_provider.refs import DatasetRef\n"
        "from mlops_provider.runtime.contract import RunContext\n"
        f"data = DatasetRef(uri={tumours.uri!r}, digest={tumours.digest!r}, rows=569)\n"
        f"context = RunContext(workflow='flow', run_id='r', phase='t', phase_type='train', "
        f"store_url={gym.bench.store.url!r}, allowed_imports=('tests.',))\n"
        f"spec = TrainSpec(data='d', target='target', python='{FUNCTIONS}:never_ends')\n"
        "print('go', flush=True)\n"
        "run_phase(spec, {'data': [data]}, context)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "go\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
    finally:
        process.kill()
        process.wait(10)

    assert gym.bench.store.files.list("flow/models") == []
    assert gym.train(tumours, python=f"{FUNCTIONS}:fit_everything").outputs["model"]
