"""Targets of deployments: those that run images have one, from where they can take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding
from mlops_dag_factory.spec.base import Reference, is_template
from mlops_dag_factory.spec.package import PackageSpec
from mlops_dag_factory.spec.target import TargetSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.checks.scope import Scope
    from mlops_dag_factory.spec import PhaseSpec

_CLUSTERS = ("kubernetes", "kserve")


def check_images(scope: Scope) -> Iterator[Finding]:
    """Yield deployments of a container without an image, with two, and with one that cannot be had there."""
    for name, phase in scope.workflow.phases.items():
        if not isinstance(phase, TargetSpec) or phase.target == "server" or is_template(phase.target):
            continue
        if f"phases.{name}.image" in scope.broken or f"phases.{name}.model" in scope.broken:
            continue
        package = scope.workflow.phases.get(_source(phase))
        if isinstance(package, PackageSpec):
            yield from _check_package(name, phase, package)
        elif not phase.image and package is not None:
            message = f"target {phase.target} runs an image, and '{_source(phase)}' is none"
            hint = f"add a phase {{type: package, model: {_source(phase)}}} and refer to it, or give 'image'"
            yield Finding(loc=("phases", name, "target"), code="image", message=message, hint=hint)


def _check_package(name: str, phase: TargetSpec, package: PackageSpec) -> Iterator[Finding]:
    source = _source(phase)
    if phase.image:
        message = f"there are two images: '{source}' and this one"
        yield Finding(loc=("phases", name, "image"), code="image", message=message, hint="leave one out")
    elif package.builder == "bundle" or package.purpose == "training":
        what = "a bundle for devices" if package.builder == "bundle" else "an image to train with"
        message, hint = f"'{source}' is {what}: it serves nobody", "builder: oci, purpose: serving (the defaults)"
        yield Finding(loc=("phases", name, "model"), code="image", message=message, hint=hint)
    elif phase.target in _CLUSTERS and not package.push:
        message = f"'{source}' is not pushed: no cluster can pull it"
        hint = f"add to '{source}': push: true, and a repository that the cluster reaches"
        yield Finding(loc=("phases", name, "model"), code="image", message=message, hint=hint)


def _source(phase: TargetSpec | PhaseSpec) -> str:
    return Reference.parse(str(getattr(phase, "model", ""))).phase


def packaged_model(phase: PhaseSpec, scope: Scope) -> str:
    """Give the phase whose model a deployment is of: of an image, the one that was packaged."""
    source = _source(phase)
    package = scope.workflow.phases.get(source)
    if isinstance(phase, TargetSpec) and isinstance(package, PackageSpec):
        return Reference.parse(package.model).phase
    return source
