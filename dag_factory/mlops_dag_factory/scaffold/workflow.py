"""A new workflow from a sample: it runs as it is, on data that comes with scikit-learn, until it gets its own."""

from __future__ import annotations

import json
from pathlib import Path

from mlops_dag_factory.schema import workflow_schema
from mlops_dag_factory.source.writing import dump

_FOLDER = Path(__file__).parent / "samples"
SAMPLES = ("product", "training", "data")
"""From data to a monitored service; a model with gates; data for others, every day."""


def workflow_files(name: str, owner: str, sample: str = SAMPLES[0]) -> dict[str, str]:
    """Give the files of a new workflow: itself, and the schema that its editor completes with."""
    text = (_FOLDER / f"{sample}.yaml").read_text(encoding="utf-8")
    for line, value in {"workflow: ID\n": {"workflow": name}, "owner: OWNER\n": {"owner": owner}}.items():
        text = text.replace(line, dump(value))
    schema = json.dumps(workflow_schema(), indent=1, ensure_ascii=False) + "\n"
    return {f"{name}.yaml": text, "workflow.schema.json": schema}
