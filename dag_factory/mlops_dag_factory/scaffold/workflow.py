"""A new workflow: from data to a monitored service, on data that comes with scikit-learn until it gets its own."""

from __future__ import annotations

import json

from mlops_dag_factory.schema import workflow_schema

TEMPLATE = """\
# yaml-language-server: $schema=workflow.schema.json
workflow: {id}
description: Say here what the product does, and for whom.
owner: {owner}
parameters:
  least: {{type: float, default: 0.9, minimum: 0, maximum: 1, description: Accuracy below which nothing is released.}}
phases:
  rows:      {{type: ingest, source: "sklearn:breast_cancer"}}  # a path, a URL, a glob
  checked:   {{type: validate, data: rows, rules: ["row_count > 100"]}}
  parts:     {{type: split, data: checked, test: 0.25, stratify: target}}
  model:     {{type: train, data: parts.train, target: target, estimator: sklearn.linear_model.LogisticRegression}}
  quality:   {{type: evaluate, model: model, data: parts.test, gates: ["accuracy >= parameters.least"]}}
  candidate: {{type: register, model: model, after: quality}}
  approval:  {{type: approve, evidence: quality, after: candidate}}
  live:      {{type: release, model: candidate, after: approval}}
monitor:
  schedule: "@hourly"
  checks: {{data_drift: {{share: 0.3}}}}
  on_breach: [notify, retrain]
"""


def workflow_files(name: str, owner: str) -> dict[str, str]:
    """Give the files of a new workflow: itself, and the schema that its editor completes with."""
    schema = json.dumps(workflow_schema(), indent=1, ensure_ascii=False) + "\n"
    return {f"{name}.yaml": TEMPLATE.format(id=name, owner=owner), "workflow.schema.json": schema}
