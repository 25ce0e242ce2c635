"""What the deployment decides: where the store and the tracking server are, and what workflows may import."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlops_provider.store.trust import DEFAULT_ALLOWED_IMPORTS, names_in

SECTION = "mlops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of section [mlops] in Airflow's configuration.

    `tracking_uri` is MLflow's; `tracking_conn_id` names an Airflow connection that overrides it;
    `data_root` is where relative paths of workflow files count from; `allowed_imports` are the
    prefixes that dotted names in workflow files may have, `trusted_types` the skops types beyond scikit-learn's that
    models may hold; `base_image` and `image_repository` are what images are made from and where they are kept;
    `environments` is the folder of the virtual environments of phases, `phase_image` the image of phases in containers,
    `pod_template` a file with what all pods of phases have; `policies` a file with what releases need by risk class.
    """

    store_url: str
    tracking_uri: str
    tracking_conn_id: str
    data_root: str
    allowed_imports: tuple[str, ...]
    trusted_types: tuple[str, ...]
    base_image: str = ""
    image_repository: str = ""
    environments: str = ""
    phase_image: str = ""
    pod_template: str = ""
    policies: str = ""

    @classmethod
    def from_airflow(cls) -> Settings:
        """Read Airflow's configuration."""
        from airflow.sdk import conf

        def get(key: str) -> str:
            return str(conf.get(SECTION, key, fallback="") or "")

        store_url = get("store") or default_store_url()
        return cls(
            store_url=store_url,
            tracking_uri=get("tracking_uri") or default_tracking_uri(),
            tracking_conn_id=get("tracking_conn_id"),
            data_root=get("data_root") or str(airflow_home()),
            allowed_imports=names_in(get("allowed_imports")) or DEFAULT_ALLOWED_IMPORTS,
            trusted_types=names_in(get("trusted_types")),
            base_image=get("base_image"),
            image_repository=get("image_repository"),
            environments=get("environments") or str(airflow_home() / "mlops" / "environments"),
            phase_image=get("phase_image"),
            pod_template=get("pod_template"),
            policies=get("policies"),
        )


def airflow_home() -> Path:
    """Give Airflow's home."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()


def default_store_url() -> str:
    """Give the store of the embedded default: a folder in Airflow's home."""
    return str(airflow_home() / "mlops" / "store")


def default_tracking_uri() -> str:
    """Give the tracking store of the embedded default: MLflow on SQLite in Airflow's home."""
    return f"sqlite:///{airflow_home() / 'mlops' / 'mlflow.db'}"


def store_url_from_environment() -> str:
    """Give the store where Airflow is not imported: AIRFLOW__MLOPS__STORE, else Airflow's home, else `mlops run`'s."""
    if url := os.environ.get("AIRFLOW__MLOPS__STORE"):
        return url
    return default_store_url() if "AIRFLOW_HOME" in os.environ else str(Path(".mlops/run/store").absolute())


def tracking_uri_from_environment() -> str:
    """Give the tracking store where Airflow is not imported, as `store_url_from_environment` gives the store."""
    if uri := os.environ.get("AIRFLOW__MLOPS__TRACKING_URI"):
        return uri
    if "AIRFLOW_HOME" in os.environ:
        return default_tracking_uri()
    return f"sqlite:///{Path('.mlops/run/mlops/mlflow.db').absolute()}"
