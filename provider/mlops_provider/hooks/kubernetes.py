"""Kubernetes clusters behind connections of type kubernetes, which the cncf.kubernetes provider defines."""

from __future__ import annotations

import json

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

_READ = ("in_cluster", "kube_config", "kube_config_path", "cluster_context", "disable_verify_ssl", "namespace")
_PREFIX = "extra__kubernetes__"
"""What keys of connections begin with that an older Airflow made."""


class ClusterHook(BaseHook):
    """Reads the extras of a connection of type kubernetes, as the provider's own hook does.

    That hook's module takes more than a second to import; what it reads of a connection is these six keys.
    """

    default_conn_name = "kubernetes_default"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    def address(self) -> str:
        """Give what clients connect with, as JSON; '' where the default connection does not exist."""
        try:
            extra = self.get_connection(self.conn_id).extra_dejson
        except AirflowNotFoundException:
            if self.conn_id == self.default_conn_name:
                return ""
            raise
        found = {name: extra.get(name) or extra.get(f"{_PREFIX}{name}") for name in _READ}
        return json.dumps({name: value for name, value in found.items() if value})
