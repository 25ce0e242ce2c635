"""References: what phases hand to each other. Frozen, a URI and a digest, small enough for XCom."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from mlops_provider.exceptions import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A reference to something immutable in the store.

    `uri` is where it lives; `digest` is the SHA-256 (hex) of its content.
    """

    kind: ClassVar[str]
    uri: str
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, with the kind."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef(Ref):
    """An immutable table in Parquet parts."""

    kind: ClassVar[str] = "dataset"
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef(Ref):
    """A fitted model; `version` is set once it is registered under `name`."""

    kind: ClassVar[str] = "model"
    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef(Ref):
    """A container image, by digest; the other fields say which model it serves, where it serves one."""

    kind: ClassVar[str] = "image"
    model_uri: str = ""
    model_digest: str = ""
    name: str = ""
    version: str = ""

    @classmethod
    def serving(cls, uri: str, digest: str, model: ModelRef | None) -> ImageRef:
        """Give the reference of an image with the model in it, or of one without."""
        if model is None:
            return cls(uri=uri, digest=digest)
        about = {"name": model.name, "version": model.version}
        return cls(uri=uri, digest=digest, model_uri=model.uri, model_digest=model.digest, **about)

    def model(self) -> ModelRef | None:
        """Give the model that the image serves; None where it serves none."""
        if not self.model_uri:
            return None
        return ModelRef(uri=self.model_uri, digest=self.model_digest, name=self.name, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRef(Ref):
    """A service and the state of its deployment record: `uri` is the record, `url` where it answers."""

    kind: ClassVar[str] = "service"
    name: str
    version: str
    revision: int
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRef(Ref):
    """A report: a folder with its pages and numbers."""

    kind: ClassVar[str] = "report"


KINDS: dict[str, type[Ref]] = {cls.kind: cls for cls in (DatasetRef, ModelRef, ImageRef, ServiceRef, ReportRef)}


def ref_from_dict(value: dict[str, Any]) -> Ref:
    """Make a reference from its JSON form."""
    fields = dict(value)
    kind = fields.pop("kind", None)
    if kind not in KINDS:
        raise ConfigError(f"{value!r} is not a reference", hint=f"its 'kind' is one of {', '.join(sorted(KINDS))}")
    return KINDS[kind](**fields)
