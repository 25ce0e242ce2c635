"""Names of images: `registry/repository:tag`, `…@sha256:digest`, `oci:<folder>[:tag]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from mlops_provider.exceptions import ConfigError

DOCKER_HUB = "registry-1.docker.io"
_NAME = re.compile(
    r"(?P<name>[a-zA-Z0-9][a-zA-Z0-9._:/-]*?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image in a registry."""

    registry: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a name apart as Docker does: the first part is a registry if it has a dot, a port or is localhost."""
        match = _NAME.fullmatch(text)
        if match is None:
            raise ConfigError(f"'{text}' is not the name of an image", hint="write it as registry/repository:tag")
        registry, _, repository = match["name"].partition("/")
        if not repository or not ("." in registry or ":" in registry or registry == "localhost"):
            registry, repository = DOCKER_HUB, match["name"]
            repository = repository if "/" in repository else f"library/{repository}"
        if not _REPOSITORY.fullmatch(repository):
            raise ConfigError(
                f"'{text}' is not the name of an image: repository '{repository}'", hint="use a-z 0-9 . _ -"
            )
        return cls(registry, repository, match["tag"] or "latest", match["digest"] or "")

    @property
    def reference(self) -> str:
        """What a registry is asked for."""
        return self.digest or self.tag

    def at(self, digest: str) -> str:
        """Give the name that means these bytes for ever."""
        return f"{self.registry}/{self.repository}@{digest}"
