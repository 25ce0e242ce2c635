"""The loader: a folder of workflow files becomes DAGs in the namespace of a DAG file.

A broken file never hides the others: it becomes an import error of its own, filed under its own path.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Never

from airflow.sdk import DAG, get_parsing_context

from mlops_dag_factory.compiler import MONITOR_SUFFIX, compile_monitor, compile_workflow
from mlops_dag_factory.errors import Problem, WorkflowError
from mlops_dag_factory.reading import read_workflow
from mlops_dag_factory.source import workflow_files
from mlops_provider.exceptions import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROFILE = "MLOPS_PROFILE"
"""Environment variable that names the profile of this deployment."""
_LOG = logging.getLogger(__name__)


def load_workflows(folder: str | Path = "workflows") -> None:
    """Put the DAGs of every workflow file below a folder into the calling module, where Airflow finds them.

    A relative folder counts from the calling file. When Airflow wants one DAG only (a task starts), only the
    file that makes it is compiled.
    """
    namespace = sys._getframe(1).f_globals  # noqa: SLF001 (the DAG file stays two lines)
    base = Path(namespace["__file__"]).resolve().parent
    for dag in workflow_dags(workflow_files(base / folder), base=base):
        namespace[f"dag_{dag.dag_id}"] = dag


def workflow_dags(files: Iterable[Path], *, base: Path) -> Iterator[DAG]:
    """Compile files to DAGs; a file with problems gives a DAG that only carries them."""
    wanted = get_parsing_context().dag_id
    taken: dict[str, Path] = {}
    for file in _likely_first(list(files), wanted):
        if wanted and wanted in taken:
            return
        try:
            for dag in _file_dags(file, wanted):
                _take(dag.dag_id, file, taken)
                yield dag
        except Exception as err:  # noqa: BLE001 (whatever is wrong with one file must not hide the others)
            _LOG.log(logging.ERROR, "%s: %s", file, err, exc_info=not isinstance(err, WorkflowError | MlopsError))
            if _in_dag_processor(wanted):
                yield BrokenWorkflow(file, file.relative_to(base).as_posix(), err)


def _file_dags(file: Path, wanted: str | None) -> Iterator[DAG]:
    if wanted and wanted.removesuffix(MONITOR_SUFFIX).encode() not in file.read_bytes():
        return  # a look at the bytes is a hundred times cheaper than reading the workflow
    workflow = read_workflow(file, os.environ.get(PROFILE, ""))
    if wanted not in {None, workflow.workflow, workflow.workflow + MONITOR_SUFFIX}:
        return
    if wanted != workflow.workflow + MONITOR_SUFFIX:
        yield compile_workflow(workflow)
    if wanted != workflow.workflow and (monitor := compile_monitor(workflow)):
        yield monitor


class BrokenWorkflow(DAG):
    """Stands for a file with problems: serializing it raises them, so that Airflow files them under that file.

    Airflow keeps one import error per file and, for an error that is raised while a DAG file is imported, marks
    all DAGs of that file as stale. An error that is raised while one DAG is serialized is filed under that DAG's
    own path instead, which here is the workflow file's: the other DAGs of the loader stay alive.
    """

    def __init__(self, file: Path, relative: str, error: Exception) -> None:
        super().__init__(f"broken.{file.stem}", schedule=None)
        self.problem_file = relative
        self.error = error

    def validate(self) -> None:
        """Take the workflow file's path for the DAG's."""
        self.relative_fileloc = self.problem_file
        super().validate()

    def get_serialized_fields(self) -> Never:
        """Raise the problems, without the traceback of how they were found."""
        raise self.error.with_traceback(None) from None


def _likely_first(files: list[Path], wanted: str | None) -> list[Path]:
    """Order files so that the one named like the wanted DAG is read first."""
    if not wanted:
        return files
    name = wanted.removesuffix(MONITOR_SUFFIX)
    return sorted(files, key=lambda file: file.stem != name)


def _in_dag_processor(wanted: str | None) -> bool:
    return wanted is None and os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "client"


def _take(dag_id: str, file: Path, taken: dict[str, Path]) -> None:
    if dag_id in taken:
        message = f"the id '{dag_id}' is taken by {taken[dag_id].name}"
        hint = "give it another id"
        raise WorkflowError([Problem(file=str(file), path="workflow", code="duplicate-id", message=message, hint=hint)])
    taken[dag_id] = file
