"""Teams: the phases use the pool of their team, and no more of it than there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, WorkflowError, suggestion
from mlops_dag_factory.teams import VARIABLE, teams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import Resources
    from mlops_dag_factory.teams import Team


def check_quotas(scope: Scope) -> Iterator[Finding]:
    """Yield resources that exceed what the team of the workflow has, where the deployment says what that is."""
    workflow = scope.workflow
    try:
        known = teams()
    except WorkflowError as err:
        hint = f"look at the file that {VARIABLE} names"
        yield Finding(loc=("team",), code="team", message=f"the teams cannot be read: {err.problems[0]}", hint=hint)
        return
    if workflow.team is None or not known:
        return
    team = known.get(workflow.team)
    if team is None:
        hint = f"{suggestion(workflow.team, known)}teams: {', '.join(known)}"
        yield Finding(loc=("team",), code="team", message=f"there is no team '{workflow.team}'", hint=hint)
        return
    places: list[tuple[Location, Resources]] = [(("defaults", "resources"), workflow.defaults.resources)]
    places += [(("phases", name, "resources"), phase.resources) for name, phase in workflow.phases.items()]
    for loc, resources in places:
        yield from _check(loc, resources, workflow.team, team)


def _check(loc: Location, resources: Resources, name: str, team: Team) -> Iterator[Finding]:
    if resources.pool and resources.pool != team.pool:
        hint = f"leave it out: the phases of {name} use '{team.pool}'"
        yield Finding(
            loc=(*loc, "pool"), code="team", message=f"team '{name}' has no pool '{resources.pool}'", hint=hint
        )
    if resources.pool_slots > team.slots:
        message = f"{resources.pool_slots} slots are more than team '{name}' has: {team.slots}"
        hint = "the phase would wait for ever; ask for fewer"
        yield Finding(loc=(*loc, "pool_slots"), code="team", message=message, hint=hint)
