"""Another workflow as a phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import WorkflowId
from mlops_dag_factory.spec.phase import PhaseSpec

if TYPE_CHECKING:
    from mlops_dag_factory.spec.workflow import Workflow  # noqa: TC004 (it imports this module; resolved there)


class SubWorkflowSpec(PhaseSpec):
    """Run another workflow: as a run of its own, or its phases inline as a task group.

    Its outputs are those of its phases: `features.cleaned` is the default output of its phase `cleaned`.
    """

    in_worker: ClassVar = False
    portable: ClassVar = False

    type: Literal["workflow"] = "workflow"
    workflow: WorkflowId = Field(description="Id of the other workflow; inline: of the file <id>.yaml beside this one.")
    inline: bool = Field(default=False, description="True: its phases run in this run, as a task group.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Values for its parameters.")
    wait: bool = Field(
        default=True, description="False: go on as soon as its run is started (it then gives no outputs)."
    )
    definition: Workflow | None = Field(
        default=None, description="The other workflow itself; a file that is read beside this one is put here."
    )

    @classmethod
    def renders(cls, field: str) -> bool:  # noqa: ARG003 (for no field)
        """Say no: the graph depends on all of them. Values within `parameters` may be Jinja."""
        return False

    def output_kind(self, output: str) -> str | None:
        """Give the kind of an output of one of its phases."""
        if self.definition is None:
            return ""
        name, _, rest = output.partition(".")
        phase = self.definition.phases.get(name)
        return phase.output_kind(rest) if phase else None
