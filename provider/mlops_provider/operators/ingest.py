"""Phase type `ingest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from mlops_provider.assets import data_uri
from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlops_dag_factory.spec.ingest import IngestSpec
    from mlops_provider.runtime.phase import Finished


class IngestDataOperator(PhaseOperator):
    """Read data from outside into the store."""

    phase_type = "ingest"
    ui_color = "#d8ecf3"

    def connections(self, config: IngestSpec | Any) -> dict[str, str]:
        """Give the address of the database that is asked."""
        if config.conn_id is None:
            return {}
        from mlops_provider.hooks.database import DatabaseHook

        return {config.conn_id: DatabaseHook(config.conn_id).url()}

    def announce(self, finished: Finished, context: Context) -> None:
        """Emit the asset's event where the workflow publishes the data and some of it is new."""
        if not self.outlets or not finished.outcome.metrics["new_rows"]:
            return
        data: Any = finished.outcome.outputs["data"]
        extra = {"uri": data.uri, "digest": data.digest, "rows": data.rows} | {
            "new_rows": int(finished.outcome.metrics["new_rows"])
        }
        asset = Asset(data_uri(self.workflow, self.phase))
        context["outlet_events"][AssetAlias(asset.uri)].add(asset, extra=extra)
