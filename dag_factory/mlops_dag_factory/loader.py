"""The loader: a folder of workflow files becomes DAGs in the namespace of a DAG file.

A broken file never hides the others: it becomes an import error of its own, filed under its own path.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Never

from airflow.sdk import DAG, get_parsing_context

from mlops_dag_factory.cache import SpecCache
from mlops_dag_factory.compiler import compile_all, compile_one
from mlops_dag_factory.errors import Problem, WorkflowError
from mlops_dag_factory.policy import SOURCE
from mlops_dag_factory.source import workflow_files
from mlops_provider.exceptions import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlops_dag_factory.spec import Workflow

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
    for dag in folder_dags(base / folder, base=base):
        namespace[f"dag_{dag.dag_id}"] = dag


def folder_dags(folder: Path, *, base: Path, cache: SpecCache | None = None) -> list[DAG]:
    """Compile the files of a folder to DAGs, or only the one that Airflow wants."""
    with _collector_paused():
        cache = cache or SpecCache(folder)
        try:
            return list(_folder_dags(folder, base, cache))
        finally:
            cache.close()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector: everything that is made here stays, and looking at it again and again costs 20 %."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _folder_dags(folder: Path, base: Path, cache: SpecCache) -> Iterator[DAG]:
    wanted = get_parsing_context().dag_id
    if wanted:
        return _wanted_dag(wanted, _candidates(folder, wanted.partition(".")[0], cache), cache)
    return _all_dags(workflow_files(folder), base, cache)


def _all_dags(files: Iterable[Path], base: Path, cache: SpecCache) -> Iterator[DAG]:
    """Compile all files; a file with problems gives a DAG that only carries them."""
    workflows: dict[Path, Workflow] = {}
    for file in files:
        try:
            workflows[file] = cache.read(file, file.read_bytes(), os.environ.get(PROFILE, ""))
        except Exception as err:  # noqa: BLE001 (whatever is wrong with one file must not hide the others)
            yield from _broken(file, base, err)
    owners: dict[str, Path] = {}
    for file, workflow in workflows.items():  # of two files with one id, the one that is named like it has it
        if workflow.workflow not in owners or file.stem == workflow.workflow != owners[workflow.workflow].stem:
            owners[workflow.workflow] = file
    for file, workflow in workflows.items():
        try:
            _check_owner(workflow.workflow, file, owners[workflow.workflow])
            for dag in compile_all(workflow):
                setattr(dag, SOURCE, str(file))
                yield dag
        except Exception as err:  # noqa: BLE001 (as above)
            yield from _broken(file, base, err)
    cache.write(owners)


def _wanted_dag(wanted: str, files: Iterable[Path], cache: SpecCache) -> Iterator[DAG]:
    """Compile the file that gives a DAG; a look at the bytes of the others is a hundred times cheaper than reading."""
    name = wanted.partition(".")[0]  # the id of a workflow has no dot
    for file in files:
        try:
            content = file.read_bytes()
            if name.encode() not in content:
                continue
            workflow = cache.read(file, content, os.environ.get(PROFILE, ""))
            if workflow.workflow == name:
                dag = compile_one(workflow, wanted)
                if dag is not None:
                    setattr(dag, SOURCE, str(file))
                    yield dag
                return
        except Exception as err:  # noqa: BLE001 (another file may still give the DAG)
            _log(file, err)


def _candidates(folder: Path, name: str, cache: SpecCache) -> Iterator[Path]:
    """Give the files that may make a DAG, the likely ones first."""
    likely = [folder / f"{name}.yaml", folder / f"{name}.yml"]
    if (noted := cache.file_of(name)) is not None and noted.is_relative_to(folder):
        likely.insert(0, noted)
    for file in likely:
        if file.is_file():
            yield file
    yield from (file for file in workflow_files(folder) if file not in likely)


def _broken(file: Path, base: Path, err: Exception) -> Iterator[DAG]:
    _log(file, err)
    if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "client":  # the dag-processor
        yield BrokenWorkflow(file, file.relative_to(base).as_posix(), err)


def _log(file: Path, err: Exception) -> None:
    _LOG.log(logging.ERROR, "%s: %s", file, err, exc_info=not isinstance(err, WorkflowError | MlopsError))


def _check_owner(name: str, file: Path, owner: Path) -> None:
    if file == owner:
        return
    message = f"the id '{name}' is taken by {owner.name}"
    hint = "give it another id"
    raise WorkflowError([Problem(file=str(file), path="workflow", code="duplicate-id", message=message, hint=hint)])


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
