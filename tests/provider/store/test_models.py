"""Models: the same bytes for the same fit, loaded only when digest and types are trusted."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
import skops.io

from mlops_provider.exceptions import DigestMismatchError, ModelLoadError, SizeMismatchError
from mlops_provider.store import skops_file
from mlops_provider.store.models import PREDICTION_COLUMN, load_model, save_model

CLASSIFIERS = [
    "sklearn.ensemble.HistGradientBoostingClassifier",
    "sklearn.ensemble.RandomForestClassifier",
    "sklearn.ensemble.GradientBoostingClassifier",
    "sklearn.linear_model.LogisticRegression",
    "sklearn.svm.SVC",
    "sklearn.neural_network.MLPClassifier",
    "sklearn.neighbors.KNeighborsClassifier",
    "sklearn.naive_bayes.GaussianNB",
]
REGRESSORS = ["sklearn.ensemble.HistGradientBoostingRegressor", "sklearn.linear_model.Ridge"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("source", "estimator"),
    [("sklearn:iris", name) for name in CLASSIFIERS] + [("sklearn:diabetes", name) for name in REGRESSORS],
)
def test_a_loaded_model_answers_its_golden_rows(bench, source, estimator):
    ref, _, _ = bench.model(source, estimator)

    model = load_model(bench.store, ref)
    golden = model.golden()
    assert len(golden) == 20
    assert model.predict(golden) == pytest.approx(golden[PREDICTION_COLUMN].to_numpy(), abs=1e-9)


@pytest.mark.parametrize("estimator", CLASSIFIERS[:4])
def test_training_twice_gives_the_same_digest(bench, estimator):
    first, _, _ = bench.model("sklearn:iris", estimator)
    second, _, _ = bench.model("sklearn:iris", estimator)

    assert first == second


def test_a_model_with_other_bytes_is_not_loaded(bench):
    ref, _, _ = bench.model()
    file = bench.store.open(ref).folder / "model.skops"
    content = file.read_bytes()

    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(DigestMismatchError, match=r"model\.skops has digest"):
        load_model(bench.store, ref)
    file.write_bytes(content + b"x")
    with pytest.raises(SizeMismatchError, match=r"model\.skops has .* bytes"):
        load_model(bench.store, ref)


class Danger:
    """Something that no model should hold."""


def test_types_that_are_not_trusted_are_named(tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(skops.io.dumps({"danger": Danger()}))

    with pytest.raises(ModelLoadError, match=r"not trusted: .*Danger"):
        skops_file.load(path)


def test_a_model_that_could_not_be_loaded_is_not_saved(tmp_path):
    frame = pd.DataFrame({"a": [1]})

    with pytest.raises(ModelLoadError, match=r"not trusted: .*Danger"):
        save_model(tmp_path, {"danger": Danger()}, golden=frame, baseline=frame)


def test_a_type_that_the_deployment_trusts_but_cannot_import_is_an_error_of_the_model(tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(skops.io.dumps({"danger": Danger()}))
    [name] = skops.io.get_untrusted_types(file=path)
    content = dict(zip_entries(path))
    content["schema.json"] = content["schema.json"].replace(b'"Danger"', b'"Gone"')
    with zipfile.ZipFile(path, "w") as file:
        for entry, data in content.items():
            file.writestr(entry, data)

    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        skops_file.load(path, trusted=[name.replace("Danger", "Gone")])


def zip_entries(path):
    with zipfile.ZipFile(path) as file:
        return [(name, file.read(name)) for name in file.namelist()]


def test_a_pickle_is_no_model(tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(pickle.dumps({"a": 1}))

    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        skops_file.load(path)


def test_a_model_is_written_in_silence_where_airflow_is_loaded_too():
    program = (
        "import airflow.utils.timezone, airflow.utils.trigger_rule\n"
        "from sklearn.dummy import DummyClassifier\n"
        "from mlops_provider.store import skops_file\n"
        "print(len(skops_file.dumps(DummyClassifier())) > 0)\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, timeout=100, check=True
    )

    assert done.stdout.strip().endswith("True")
    assert "airflow.utils.timezone.agm" not in done.stdout + done.stderr
