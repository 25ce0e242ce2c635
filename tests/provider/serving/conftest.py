"""Real models of real data in a store, and real server processes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mlops_provider.refs import ModelRef
from mlops_provider.store.models import PREDICTION_COLUMN, Signature, save_model
from mlops_provider.store.services import Change, ServedVersion, now, set_version
from mlops_provider.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

SERVICE = ("tumour", "production")


@cache
def breast_cancer() -> pd.DataFrame:
    """Give the data: 30 numbers and the target."""
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(as_frame=True).frame


def with_words() -> pd.DataFrame:
    """Give data with text, a truth value and missing numbers."""
    frame = breast_cancer()[["mean radius", "mean texture", "target"]].copy()
    frame["size"] = ["large" if radius > 14 else "small" for radius in frame["mean radius"]]
    frame["rough"] = frame["mean texture"] > 19
    frame.loc[::7, "mean texture"] = None
    return frame


def fit(
    frame: pd.DataFrame,
    *,
    seed: int = 0,
    mode: str = "auto",
    target: str = "target",
    regress: bool = False,
    estimator=None,
):
    """Give a fitted pipeline as the phase `train` makes it, and its signature."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    from mlops_provider.runtime.preprocess import column_type, features_of, make_pipeline

    names = [name for name in frame.columns if name != target]
    features = features_of(frame, names)
    cls = HistGradientBoostingRegressor if regress else HistGradientBoostingClassifier
    if estimator is None:
        estimator = cls(max_iter=20, random_state=seed, max_depth=2 + seed)
    pipeline = make_pipeline(estimator, features, mode)
    pipeline.fit(frame[names], frame[target])
    signature = Signature(
        task="regression" if regress else "classification",
        features=features,
        target=target,
        target_type=column_type(frame[target]),
        classes=() if regress else tuple(pipeline.classes_.tolist()),
    )
    return pipeline, signature


class Yard:
    """A store with models in it and the servers that follow it."""

    name = "/".join(SERVICE)

    def __init__(self, root: Path) -> None:
        self.store = Store(root / "store")
        self.servers: list[Server] = []

    def publish(
        self,
        frame: pd.DataFrame,
        version: str = "1",
        *,
        wrong_golden: bool = False,
        nan_golden: bool = False,
        **options: Any,
    ):
        """Fit and publish a model."""
        pipeline, signature = fit(frame, **options)
        rows = frame[[*signature.names(), signature.target]].head(50)
        sample = rows.assign(**{PREDICTION_COLUMN: pipeline.predict(rows[signature.names()])})
        golden = sample.drop(columns=signature.target).head(20)
        if wrong_golden:
            golden.loc[golden.index[3], PREDICTION_COLUMN] = 1 - golden[PREDICTION_COLUMN].iloc[3]
        if nan_golden:
            golden.loc[golden.index[3], PREDICTION_COLUMN] = float("nan")
        with self.store.scratch() as folder:
            save_model(folder, pipeline, golden=golden, baseline=sample)
            published = self.store.publish(SERVICE[0], "models", folder, {"signature": signature.to_dict()})
        return ModelRef(uri=published.uri, digest=published.digest, name=SERVICE[0], version=version)

    def deploy(self, model: ModelRef, *, environment: str = SERVICE[1], change: str = ""):
        """Change the record as a deployment does."""
        version = ServedVersion(version=model.version, model=model)
        made = Change(id=change or f"{model.version}@{time.monotonic_ns()}", action="deploy", by="tests", at=now())
        return set_version(self.store, SERVICE[0], environment, version, made)

    def serve(self, *arguments: str, **options: Any) -> Server:
        """Start a server."""
        self.servers.append(Server(self.store, *arguments, **options))
        return self.servers[-1]

    def logged(self, environment: str = SERVICE[1]) -> pd.DataFrame:
        """Read the prediction log."""
        import pandas as pd

        files = sorted((Path(self.store.url) / SERVICE[0] / "predictions" / environment).rglob("*.parquet"))
        return pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True)

    def body(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Give MLflow's body for rows."""
        chosen = frame.drop(columns="target", errors="ignore")
        cells = chosen.astype(object).where(chosen.notna(), None).to_numpy().tolist()
        return {"dataframe_split": {"columns": list(chosen.columns), "data": cells}}

    def close(self) -> None:
        """End the servers."""
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()


class Server:
    """`mlops serve` in a process of its own."""

    def __init__(
        self, store: Store, *arguments: str, log_folder: Path | None = None, wrapper: str = "", port: int = 0
    ) -> None:
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (log_folder or Path(store.url).parent) / f"server-{self.port}.log"
        command = [sys.executable, *(["-c", wrapper, "mlops"] if wrapper else ["-m", "mlops_dag_factory.cli.main"])]
        command += ["serve", "--store", store.url, "--port", str(self.port), *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)

    def wait(self, path: str = "/ready", status: int = 200, timeout: float = 120) -> httpx.Response:
        """Wait until a route answers with a status."""
        deadline = time.monotonic() + timeout
        answer = None
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(httpx.TransportError):
                answer = httpx.get(self.url + path, timeout=5)
                if answer.status_code == status:
                    return answer
            time.sleep(0.05)
        said = answer.text if answer is not None else "nothing"
        raise AssertionError(f"{path} did not answer {status} but {said}\n{self.log.read_text()}")

    def wait_for_version(self, version: str, path: str = "/ready", timeout: float = 60) -> None:
        """Wait until a version answers."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if version in self.wait(path).json()["services"].values():
                return
            time.sleep(0.05)
        raise AssertionError(f"version {version} does not answer\n{self.log.read_text()}")

    def stop(self) -> int:
        """End it as a supervisor does; give the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def tumours() -> pd.DataFrame:
    """Give breast-cancer data: 30 numbers and the target."""
    return breast_cancer()


@pytest.fixture
def words() -> pd.DataFrame:
    """Give data with text, truth values and missing numbers."""
    return with_words()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """Give an empty store of its own."""
    made = Yard(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Give a store with the services tumour/production (all numbers) and tumour/staging (text too), and one server."""
    made = Yard(tmp_path_factory.mktemp("shared"))
    try:
        made.deploy(made.publish(breast_cancer()))
        made.deploy(made.publish(with_words(), "2"), environment="staging")
        server = made.serve()
        for environment in ("production", "staging"):
            server.wait(f"/tumour/{environment}/ready")
        yield made
    finally:
        made.close()
