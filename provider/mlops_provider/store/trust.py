"""What a deployment lets code and models be made of; whoever opens a store says it once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

DEFAULT_ALLOWED_IMPORTS = ("sklearn.",)
_IMPORTS, _TYPES = "AIRFLOW__MLOPS__ALLOWED_IMPORTS", "AIRFLOW__MLOPS__TRUSTED_TYPES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What models may hold: `types` are skops types beyond ours, `imports` prefixes of classes that load themselves."""

    types: tuple[str, ...] = ()
    imports: tuple[str, ...] = DEFAULT_ALLOWED_IMPORTS

    @classmethod
    def from_environment(cls) -> Self:
        """Read the variables that Airflow reads too, for processes where it is not: the model server, a container."""
        imports = names_in(os.environ.get(_IMPORTS, ""))
        return cls(types=names_in(os.environ.get(_TYPES, "")), imports=imports or DEFAULT_ALLOWED_IMPORTS)


def names_in(text: str) -> tuple[str, ...]:
    """Give the names of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
