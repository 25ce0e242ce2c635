"""Phase type `ingest`."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class IngestDataOperator(PhaseOperator):
    """Read data from outside into the store."""

    phase_type = "ingest"
    ui_color = "#d8ecf3"
