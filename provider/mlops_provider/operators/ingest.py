"""Phase type `ingest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from mlops_dag_factory.spec.ingest import IngestSpec


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
