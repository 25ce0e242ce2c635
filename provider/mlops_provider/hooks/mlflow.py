"""MLflow: where the tracking server is and how to speak to it."""

from __future__ import annotations

import os

from airflow.sdk import BaseHook


class MlflowHook(BaseHook):
    """Reads a connection of type `mlflow`: host is the tracking URI, login and password its credentials."""

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, mlflow_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlflow_conn_id = mlflow_conn_id

    def tracking_uri(self) -> str:
        """Give the tracking URI; put the credentials where MLflow's client looks for them, in this process only."""
        connection = self.get_connection(self.mlflow_conn_id)
        uri = connection.host or ""
        if "://" not in uri:
            port = f":{connection.port}" if connection.port else ""
            uri = f"{connection.schema or 'http'}://{uri}{port}"
        if connection.login and connection.password:
            os.environ["MLFLOW_TRACKING_USERNAME"] = connection.login
            os.environ["MLFLOW_TRACKING_PASSWORD"] = connection.password
        elif connection.password:
            os.environ["MLFLOW_TRACKING_TOKEN"] = connection.password
        return uri

    def test_connection(self) -> tuple[bool, str]:
        """Ask the server for its experiments."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            found = MlflowClient(self.tracking_uri()).search_experiments(max_results=1)
        except MlflowException as err:
            return False, str(err)
        return True, f"connected; {len(found)} experiment(s) seen"
