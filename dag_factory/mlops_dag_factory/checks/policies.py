"""What the deployment requires of a product of its risk class: `mlops validate` says it before a run does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.release import ReleaseSpec
from mlops_provider.evidence_policy import MONITOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_dag_factory.checks.scope import Scope
    from mlops_provider.evidence_policy import Policy, Rule


def check_policies(scope: Scope, policies: Mapping[str, Policy]) -> Iterator[Finding]:
    """Yield releases before which evidence is missing that the risk class requires, and what it forbids."""
    workflow = scope.workflow
    policy = policies.get(workflow.risk or "")
    if policy is None or not scope.whole:
        return
    for rule in policy.require:
        if rule.phase_type == MONITOR and workflow.monitor is None:
            yield _missing(("risk",), rule, policy, "and there is no monitor", "add 'monitor:'")
    for name, phase in workflow.phases.items():
        for rule in policy.forbid:
            if rule.phase_type == phase.type and rule.fields and rule.fits(phase.model_dump(mode="json")):
                message = f"risk '{policy.risk}' forbids {rule.text}"
                hint = f"the policy is in {policy.source}"
                yield Finding(loc=("phases", name), code="policy", message=message, hint=hint, at="key")
        if isinstance(phase, ReleaseSpec):
            before = [workflow.phases[other] for other in scope.ancestors(name)]
            proving = [(other.type, other.model_dump(mode="json")) for other in before if not other.when]
            for rule in policy.require:
                if rule.phase_type != MONITOR and not any(
                    kind == rule.phase_type and rule.fits(config) for kind, config in proving
                ):
                    hint = f"add such a phase without 'when', and let the release come after it; {policy.source}"
                    yield _missing(("phases", name), rule, policy, "and none comes before this release", hint)


def _missing(loc: tuple[str, ...], rule: Rule, policy: Policy, what: str, hint: str) -> Finding:
    message = f"risk '{policy.risk}' requires {rule.text}, {what}"
    return Finding(loc=loc, code="policy", message=message, hint=hint, at="key")
