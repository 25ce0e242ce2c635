"""Phase `package`: a model and all that it needs, as an image or as a bundle."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import ModelReference, SpecError
from mlops_dag_factory.spec.phase import PhaseSpec


class PackageSpec(PhaseSpec):
    """Make an image, or a bundle for edge devices, of a model and all that it needs; the same bytes every time."""

    outputs: ClassVar = {"image": "image", "report": "report"}
    default_output: ClassVar = "image"

    type: Literal["package"] = "package"
    model: ModelReference = Field(description="Model to package.")
    builder: Literal["docker", "buildah", "oci", "bundle"] = Field(
        default="oci",
        description="'oci' needs no daemon; 'docker' puts the image into an engine and runs it there; 'buildah' builds "
        "the Dockerfile; 'bundle' is a folder for devices with Python.",
    )
    purpose: Literal["serving", "training"] = Field(
        default="serving", description="'serving': answers predictions; 'training': runs phases."
    )
    base_image: str = Field(
        default="",
        description="Image to build on: a name in a registry, or 'oci:<folder>[:tag]'; default: [mlops] base_image.",
    )
    repository: str = Field(
        default="", description="Repository of the image; default: the workflow below [mlops] image_repository."
    )
    push: bool = Field(default=False, description="True: push to the registry; otherwise the image is in the store.")
    conn_id: str | None = Field(default=None, description="Airflow connection with the registry's user and password.")
    requirements: list[str] = Field(
        default_factory=list, description="Requirements beside the model's own, as 'torch==2.9.1'; they win."
    )
    smoke: bool = Field(
        default=True, description="True: start what was built and compare its answers to the golden rows."
    )
    signing_key: str | None = Field(
        default=None,
        description="Connection whose password is an Ed25519 private key (PEM), or a .pem file: signs a bundle.",
    )

    def signs_with_file(self) -> bool:
        """Say whether the key is a file."""
        return bool(self.signing_key) and str(self.signing_key).endswith(".pem")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.builder == "bundle":
            for name in ("push", "base_image", "repository", "conn_id"):
                if getattr(self, name):
                    raise SpecError(f"a bundle has no '{name}'", hint="a bundle is a folder in the store, not an image")
            if self.purpose == "training":
                raise SpecError("a bundle only predicts", hint="builder: oci, docker or buildah for training")
        elif self.signing_key:
            raise SpecError("'signing_key' signs bundles", hint="builder: bundle")
        return self
