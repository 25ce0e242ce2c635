"""What every benchmark prints: a table for people, or one JSON object with its figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


SMALL = 0.001
"""Below it a figure is given by three digits, not by four places."""


def show(
    title: str, header: Sequence[str], rows: Sequence[Sequence[object]], figures: Mapping[str, float], *, as_json: bool
) -> None:
    """Print the table and the figures, or the figures as JSON."""
    rounded = {
        name: round(value, 4) if abs(value) >= SMALL else float(f"{value:.3g}") for name, value in figures.items()
    }
    if as_json:
        print(json.dumps({"figures": rounded}))
        return
    table = Table(*header, title=title, header_style="bold")
    for row in rows:
        table.add_row(*(f"{cell:,.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    console = Console()
    console.print(table)
    for name, value in rounded.items():
        console.print(f"{name} = {value}")
