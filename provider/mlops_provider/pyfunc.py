"""Any MLflow model: fetched as a phase `train` would fit one, kept as MLflow wrote it, loaded by its own loader.

What MLflow writes may hold pickles, which run code when they are loaded. So nothing here is used unless the deployment
names `mlops_provider.pyfunc` in [mlops] allowed_imports, and MLflow is its own to trust.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlops_provider.exceptions import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


class Pyfunc:
    """A model in MLflow's folder; one of scikit-learn's classifiers has its probabilities and classes too."""

    def __init__(self, folder: Path, kept: tempfile.TemporaryDirectory[str] | None = None) -> None:
        import mlflow.pyfunc

        self.folder = folder
        self._kept = kept  # the folder lives as long as the model
        self._model = mlflow.pyfunc.load_model(str(folder))
        raw: Any = None
        with suppress(NotImplementedError):  # most of MLflow's flavours have none
            raw = self._model.get_raw_model()
        if hasattr(raw, "classes_"):
            self.classes_ = raw.classes_
            if hasattr(raw, "predict_proba"):
                self.predict_proba = raw.predict_proba

    def predict(self, frame: pd.DataFrame) -> Array:
        """Predict as the MLflow model does; gives n values, or n x outputs."""
        import numpy as np

        answers = np.asarray(self._model.predict(frame))
        return answers[:, 0] if answers.ndim > 1 and answers.shape[1] == 1 else answers

    def save(self, folder: Path) -> None:
        """Copy the folder as MLflow wrote it."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a folder that `save` wrote."""
        return cls(folder)


def fetch(table: pd.DataFrame, features: list[str], parameters: Mapping[str, Any]) -> Pyfunc:
    """Fetch the model at `model_uri` of the parameters, as models:/churn/3 or runs:/…/model; nothing is fitted.

    `tracking_uri` of the parameters names another MLflow than MLFLOW_TRACKING_URI does. ConfigError where there is no
    such model, DataError where it cannot predict for the features.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    if not (uri := str(parameters.get("model_uri") or "")):
        raise ConfigError("there is no model to fetch", hint="set parameters: {model_uri: 'models:/<name>/<version>'}")
    kept = tempfile.TemporaryDirectory(prefix="mlops-pyfunc-")
    try:
        mlflow.artifacts.download_artifacts(
            artifact_uri=uri, dst_path=kept.name, tracking_uri=parameters.get("tracking_uri")
        )
    except (MlflowException, OSError) as err:
        raise ConfigError(f"'{uri}' cannot be fetched: {' '.join(str(err).split())[:400]}") from err
    described = next(Path(kept.name).rglob("MLmodel"), None)
    if described is None:
        raise ConfigError(f"'{uri}' is no MLflow model: it holds no file MLmodel")
    model = Pyfunc(described.parent, kept)
    try:
        model.predict(table[features].head(2))
    except Exception as err:
        raise DataError(f"'{uri}' cannot predict for these features: {' '.join(str(err).split())[:400]}") from err
    return model
