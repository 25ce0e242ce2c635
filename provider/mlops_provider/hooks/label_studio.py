"""Label Studio behind an Airflow connection."""

from __future__ import annotations

from urllib.parse import quote

from airflow.sdk import BaseHook

from mlops_provider.exceptions import MlopsError


class LabelStudioHook(BaseHook):
    """Gives the address of a Label Studio server: host and port, the path as extra, the token as password."""

    conn_name_attr = "label_studio_conn_id"
    default_conn_name = "label_studio_default"
    conn_type = "label_studio"
    hook_name = "Label Studio"

    def __init__(self, label_studio_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.label_studio_conn_id = label_studio_conn_id

    def address(self) -> str:
        """Give the address with the token in the place of a password."""
        connection = self.get_connection(self.label_studio_conn_id)
        host = connection.host or ""
        scheme, _, name = host.rpartition("://")
        port = f":{connection.port}" if connection.port else ""
        path = f"/{connection.schema.strip('/')}" if connection.schema else ""
        return f"{scheme or 'http'}://:{quote(connection.password or '', safe='')}@{name.rstrip('/')}{port}{path}"

    def test_connection(self) -> tuple[bool, str]:
        """Say whether the server answers and the token is good."""
        from mlops_provider.runtime.label_studio import LabelStudio

        server = LabelStudio.at(self.address())
        try:
            return True, f"Label Studio {server.version()}, as {server.whoami()}"
        except MlopsError as err:
            return False, str(err)
