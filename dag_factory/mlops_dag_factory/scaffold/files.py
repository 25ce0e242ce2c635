"""Write new files, all or none, and never over one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_new(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files below a folder; FileExistsError names the first that is there already, and then none is written."""
    paths = {folder / name: text for name, text in files.items()}
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path} exists already")
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # nobody may have written it meanwhile
            file.write(text)
    return list(paths)
