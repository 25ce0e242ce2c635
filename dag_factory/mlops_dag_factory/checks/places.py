"""Where phases run: the options fit the runtime, and the phase can run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.options import resources_of
from mlops_dag_factory.spec.package import PackageSpec
from mlops_dag_factory.spec.resources import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.errors import Location
    from mlops_dag_factory.spec import PhaseSpec, Resources

CODE = "runtime"


def check_places(scope: Scope) -> Iterator[Finding]:
    """Yield options that do not count for the runtime, and phases that cannot run where they are sent."""
    defaults = scope.workflow.defaults.resources
    yield from _misplaced(defaults, ("defaults", "resources"))
    if defaults.image_of:
        message = "the phase that makes the image would come before itself"
        hint = "give 'image_of' to the phases that run in it, or name an 'image'"
        yield Finding(loc=("defaults", "resources", "image_of"), code=CODE, message=message, hint=hint)
    for name, phase in scope.workflow.phases.items():
        yield from _phase(scope, name, phase)


def _phase(scope: Scope, name: str, phase: PhaseSpec) -> Iterator[Finding]:
    own, loc = phase.resources, ("phases", name, "resources")
    resources = resources_of(scope.workflow, phase)
    asked = own.runtime != "inline" and "runtime" in own.model_fields_set
    if not phase.portable:
        if asked:
            message = f"a phase of type '{phase.type}' runs in the worker"
            yield Finding(loc=(*loc, "runtime"), code=CODE, message=message, hint="leave out its runtime")
        return
    for field in resources.misplaced():
        if field in own.model_fields_set:
            yield _wrong(field, resources.runtime, (*loc, field))
    if phase.group and resources.runtime == "kubernetes":
        message = "a pod is waited for without a worker, which phases that share a task cannot"
        yield Finding(loc=("phases", name, "group"), code=CODE, message=message, hint="leave out its group")
    if resources.runtime == "kubernetes":
        yield from _secret_names(resources, own, loc)
    yield from _image(scope, own, loc)


def _misplaced(resources: Resources, loc: Location) -> Iterator[Finding]:
    for field in resources.misplaced():
        yield _wrong(field, resources.runtime, (*loc, field))


def _wrong(field: str, runtime: str, loc: Location) -> Finding:
    where = " or ".join(name for name, fields in RUNTIMES.items() if field in fields)
    message = f"'{field}' does not count with runtime: {runtime}"
    return Finding(loc=loc, code=CODE, message=message, hint=f"it belongs to runtime: {where}")


def _secret_names(resources: Resources, own: Resources, loc: Location) -> Iterator[Finding]:
    for variable, source in resources.secrets.items():
        if source.count("/") != 1 and "secrets" in own.model_fields_set:
            message = f"'{source}' is not a key of a Kubernetes Secret"
            yield Finding(loc=(*loc, "secrets", variable), code=CODE, message=message, hint="write it as name/key")


def _image(scope: Scope, own: Resources, loc: Location) -> Iterator[Finding]:
    if own.image and own.image_of:
        message = "has both 'image' and 'image_of'"
        yield Finding(loc=(*loc, "image_of"), code=CODE, message=message, hint="give one of the two")
    maker = scope.workflow.phases.get(own.image_of or "")
    if isinstance(maker, PackageSpec) and maker.purpose != "training":
        message = f"the image of '{own.image_of}' answers predictions"
        yield Finding(loc=(*loc, "image_of"), code=CODE, message=message, hint="give it 'purpose: training'")
