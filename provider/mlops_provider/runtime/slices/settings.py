"""Where slices are looked for: what `auto` means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_dag_factory.spec.evaluate import SlicesSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSettings:
    """The fields of `slices` in the workflow file, with their defaults."""

    columns: list[str]
    depth: int = 2
    minimum_rows: int = 30
    show: int = 10


def settings(config: SlicesSpec | str) -> SliceSettings:
    """Give the settings of a phase; `auto` has the defaults."""
    if isinstance(config, str):
        return SliceSettings(columns=[])
    return SliceSettings(
        columns=list(config.columns), depth=config.depth, minimum_rows=config.minimum_rows, show=config.show
    )
