"""What Airflow reads when it discovers providers. Imports nothing and reads nothing."""

from __future__ import annotations

from typing import Any

_OPTIONS: dict[str, tuple[str, str, str]] = {
    "store": (
        "Folder or fsspec URL of the store. Default: mlops/store in AIRFLOW_HOME.",
        "",
        "s3://bucket/mlops",
    ),
    "tracking_uri": (
        "MLflow tracking server and model registry. Default: SQLite in AIRFLOW_HOME.",
        "",
        "http://mlflow:5000",
    ),
    "tracking_conn_id": ("Connection of type 'mlflow' that overrides tracking_uri.", "", "mlflow_default"),
    "data_root": (
        "Folder or fsspec URL from which relative paths in workflow files count. Default: AIRFLOW_HOME.",
        "",
        "s3://lake",
    ),
    "allowed_imports": (
        "Comma-separated prefixes of the names that workflow files may import; one that ends with '.' is a package.",
        "sklearn.",
        "sklearn.,our_features.",
    ),
    "trusted_types": (
        "Comma-separated types beyond scikit-learn's own that models in skops files may hold, each by its full name.",
        "",
        "collections.OrderedDict,lightgbm.basic.Booster,lightgbm.sklearn.LGBMClassifier",
    ),
    "base_image": (
        "Image that packaged models are built on: a name in a registry, or oci:<folder> in OCI layout.",
        "python:3.11-slim",
        "registry.example.com/python:3.11-slim",
    ),
    "image_repository": (
        "Repository that images are pushed to, below which each workflow has its own.",
        "",
        "registry.example.com/models",
    ),
    "phase_image": (
        "Image that phases with runtime docker or kubernetes run in, unless they name another.",
        "",
        "registry.example.com/models/training@sha256:…",
    ),
    "pod_template": (
        "File with a pod, in YAML, that the pods of phases begin with: volumes, pull secrets, affinity.",
        "",
        "/opt/airflow/pods/phase.yaml",
    ),
    "policies": (
        "File with policies, in YAML: what a release needs by the risk class of its workflow, and what is forbidden.",
        "",
        "/opt/airflow/policies.yaml",
    ),
    "environments": (
        "Folder of the virtual environments of phases with runtime venv. Default: mlops/environments in AIRFLOW_HOME.",
        "",
        "/var/lib/mlops/environments",
    ),
    "allowed_operators": (
        "Comma-separated prefixes of the operator classes that phases of type 'operator' may use.",
        "airflow.providers.standard.,mlops_provider.sensors.",
        "airflow.providers.,mlops_provider.sensors.",
    ),
    "link_key": (
        "Key of at least 32 characters for signed links to decisions; of several with commas the first signs.",
        "",
        "the output of: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
    ),
    "import_yaml": (
        "True: workflow files in the DAGs folder are DAG files, without load_workflows.py. For Airflow 3.3.",
        "False",
        "True",
    ),
    "allowed_notifiers": (
        "Comma-separated prefixes of the notifier classes that 'notify' may name.",
        "airflow.providers.",
        "airflow.providers.slack.,our_notifiers.",
    ),
}
_SENSITIVE = frozenset({"link_key"})
"""Options that may come from a command or a secrets backend, and that Airflow masks."""


def get_provider_info() -> dict[str, Any]:
    """Give the provider's metadata in Airflow's schema."""
    return {
        "package-name": "airflow-provider-mlops",
        "name": "MLOps",
        "description": "Takes a machine-learning product from data to production, and keeps it there.",
        "config": {
            "mlops": {
                "description": "Settings of the MLOps provider.",
                "options": {
                    name: {
                        "description": description,
                        "version_added": "0.1.0",
                        "type": "string",
                        "default": default,
                        "example": example,
                        **({"sensitive": True} if name in _SENSITIVE else {}),
                    }
                    for name, (description, default, example) in _OPTIONS.items()
                },
            }
        },
        "extra-links": ["mlops_provider.console.links.PhaseRecordLink"],
        "connection-types": [
            {
                "connection-type": "mlflow",
                "hook-class-name": "mlops_provider.hooks.mlflow.MlflowHook",
                "hook-name": "MLflow",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {"host": "Tracking URI", "password": "Token or password"},
                    "placeholders": {"host": "http://mlflow:5000"},
                },
            },
            {
                "connection-type": "label_studio",
                "hook-class-name": "mlops_provider.hooks.label_studio.LabelStudioHook",
                "hook-name": "Label Studio",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "extra"],
                    "relabeling": {"host": "Host, with https://", "schema": "Path", "password": "Access token"},
                    "placeholders": {"host": "https://labels.example.com", "password": "a personal access token"},
                },
            },
        ],
    }
