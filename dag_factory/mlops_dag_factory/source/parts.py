"""The files that a workflow file is made of: found beside it or below, each parsed with its places."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_dag_factory.errors import Finding, Location, Problem, WorkflowError
from mlops_dag_factory.source.document import Document, parse, read_text_of

if TYPE_CHECKING:
    from mlops_dag_factory.source.builder import Places

MAX_PARTS = 50


@dataclass
class Parts:
    """Reads parts of a workflow from its folder; what is wrong with one is among the problems."""

    folder: Path
    places: Places
    problems: list[Problem] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    def read(self, document: Document, loc: Location, name: str, chain: tuple[Path, ...]) -> Document | None:
        """Give the document of a file that another names at a location; None where there is a problem.

        `chain` holds the files that lead here, the workflow's first.
        """
        path = Path(document.file).parent / name
        message, hint = self._refusal(name, path.resolve(), chain)
        if not message:
            self.paths.append(path)
            try:
                part = parse(read_text_of(path), str(path), part=True)
            except WorkflowError as err:
                problem = err.problems[0]
                message, hint = f"'{name}' {problem.message}", "the path counts from the file that names it"
        if message:
            self.problems.append(document.problem(Finding(loc=loc, code="include", message=message, hint=hint)))
            return None
        self.places.update(part.places)
        self.problems.extend(part.problems)
        return Document(part.file, part.data, (), self.places) if part.data is not None else None

    def _refusal(self, name: str, path: Path, chain: tuple[Path, ...]) -> tuple[str, str]:
        if not path.is_relative_to(self.folder.resolve()):
            return f"'{name}' lies outside the folder of this workflow", "move it beside the workflow or below"
        if path in chain:
            names = " -> ".join(part.name for part in (*chain[chain.index(path) :], path))
            return f"files include each other: {names}", "remove one of these includes"
        if len(self.paths) >= MAX_PARTS:
            return f"more than {MAX_PARTS} files are included", "put what is shared into fewer files"
        return "", ""
