"""Rules across fields: each a pure function that yields findings and never stops at the first.

A rule looks at a `Scope`: the workflow, or those parts of it that are valid on their own, and what is broken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_dag_factory.checks.choices import check_notices, check_presets, check_roles, check_scenes
from mlops_dag_factory.checks.conditions import check_conditions
from mlops_dag_factory.checks.explanations import check_explained_columns
from mlops_dag_factory.checks.graph import check_cycles, check_order
from mlops_dag_factory.checks.groups import check_groups
from mlops_dag_factory.checks.leaks import check_evaluated_on_training_rows, check_trained_on_test_rows
from mlops_dag_factory.checks.monitoring import (
    check_labels,
    check_monitored_service,
    check_service_names,
    check_window,
)
from mlops_dag_factory.checks.names import check_names
from mlops_dag_factory.checks.performance import check_performance_gates
from mlops_dag_factory.checks.places import check_places
from mlops_dag_factory.checks.quotas import check_quotas
from mlops_dag_factory.checks.references import check_references
from mlops_dag_factory.checks.releases import check_gated, check_registered
from mlops_dag_factory.checks.repetition import check_items_used, check_repetition
from mlops_dag_factory.checks.required import check_required
from mlops_dag_factory.checks.schedules import check_schedules
from mlops_dag_factory.checks.scope import Scope
from mlops_dag_factory.checks.secrets import check_data, may_hold_secrets
from mlops_dag_factory.checks.sub_workflows import check_sub_workflows
from mlops_dag_factory.checks.targets import check_images
from mlops_dag_factory.checks.templates import check_templates, check_unused_parameters
from mlops_dag_factory.spec.sub_workflow import SubWorkflowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.errors import Finding
    from mlops_dag_factory.spec import Workflow

CHECKS = (
    check_names,
    check_references,
    check_order,
    check_cycles,
    check_templates,
    check_unused_parameters,
    check_conditions,
    check_repetition,
    check_items_used,
    check_groups,
    check_sub_workflows,
    check_presets,
    check_scenes,
    check_notices,
    check_roles,
    check_required,
    check_places,
    check_quotas,
    check_trained_on_test_rows,
    check_evaluated_on_training_rows,
    check_explained_columns,
    check_registered,
    check_gated,
    check_images,
    check_schedules,
    check_labels,
    check_window,
    check_monitored_service,
    check_service_names,
    check_performance_gates,
)

__all__ = ["CHECKS", "check", "check_data", "may_hold_secrets"]


def check(workflow: Workflow, broken: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Apply every rule.

    `broken` names what the file has but the workflow lacks because it is wrong in itself: a key of the top level,
    `phases.<name>`, `phases.<name>.<field>`, `parameters.<name>`. Rules do not complain about it a second time.
    """
    scope = Scope(workflow, broken)
    for rule in CHECKS:
        yield from rule(scope)
    for name, phase in workflow.phases.items():
        if isinstance(phase, SubWorkflowSpec) and phase.definition is not None:
            for finding in check(phase.definition):
                yield replace(finding, loc=("phases", name, "definition", *finding.loc))
