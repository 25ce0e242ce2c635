"""Runtime `venv`: the phase runs in a child process, in a virtual environment of its own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.outside import Outside
from mlops_provider.runtime.places.ending import result
from mlops_provider.runtime.places.environments import environment_key, ready_environment
from mlops_provider.runtime.places.process import Child, Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlops_provider.runtime.places.work import Work

_SITES = frozenset({"site-packages", "dist-packages"})


@dataclass(slots=True)
class VenvPlace:
    """`root` is the folder of all environments; `variables` are set for the phase."""

    root: Path
    requirements: list[str] = field(default_factory=list)
    python: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    _child: Child | None = None

    def described(self) -> dict[str, Any]:
        """Say which environment it is."""
        key = environment_key(self.requirements, self.python)
        asked = {"python": self.python} if self.python else {}
        return {"runtime": "venv", "environment": key, "requirements": list(self.requirements), **asked}

    def environment(self) -> Outside:
        """Say that the requirements count, where they are exact: others may mean another library tomorrow."""
        state = {"requirements": sorted(self.requirements), "python": self.python}
        loose = [text for text in self.requirements if "==" not in text]
        never = f"requirement '{loose[0]}' is not exact: {loose[0]}==<version> is" if loose else ""
        return Outside(state, never)

    def run(self, work: Work, say: Callable[[str], None]) -> dict[str, Any]:
        """Make the environment where it lacks, and do the work in it."""
        interpreter = ready_environment(self.root, self.requirements, self.python, say)
        command = [str(interpreter), "-P", "-m", "mlops_provider.runtime", work.context.phase_type, "--attached"]
        lines = Lines(say)
        self._child = Child(command, self._variables(interpreter), self.root)
        code = self._child.follow(work.to_json(), lines)
        return result(work.recorded, "the process of the phase", code, lines.last, list(lines.log))

    def kill(self) -> None:
        """End the process and all that it started."""
        if self._child is not None:
            self._child.kill()

    def _variables(self, interpreter: Path) -> dict[str, str]:
        own = {"VIRTUAL_ENV": str(interpreter.parent.parent), "PYTHONPATH": os.pathsep.join(code_paths())}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        return {**kept, "PYTHONUNBUFFERED": "1", **own, **self.variables}


def code_paths() -> list[str]:
    """Give the folders of the user's own code: what this process imports from and nobody installed."""
    library = Path(os.__file__).parent
    found = []
    for entry in dict.fromkeys(sys.path):
        path = Path(entry or ".").absolute()
        installed = not _SITES.isdisjoint(path.parts) or path == library or library in path.parents
        if path.is_dir() and not installed:
            found.append(str(path))
    return found
