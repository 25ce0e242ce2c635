"""The workflow file is the DAG file: an importer for Airflow, without a loader in Python.

Airflow 3.3 has importers, but no public way to add one, and its dag-processor lists Python files only. With
`[mlops] import_yaml = True` this module registers one and lets the listing find workflow files; both touch private
names, so they are guarded to 3.3. From 3.4 on, name `WorkflowImporter` in `[dag_processor] dag_importer_configs`
instead; that was not run here. Use either this or `load_workflows.py` for a folder, not both.
"""

from __future__ import annotations

import os
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.dag_processing.importers.base import (
    AbstractDagImporter,
    DagImporterRegistry,
    DagImportError,
    DagImportResult,
)

from mlops_dag_factory.compiler import compile_all
from mlops_dag_factory.errors import WorkflowError
from mlops_dag_factory.loader import PROFILE
from mlops_dag_factory.policy import SOURCE
from mlops_dag_factory.reading import read_workflow
from mlops_dag_factory.source import workflow_files
from mlops_provider.exceptions import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = b"workflow:"
"""What a file of ours has at the start of a line; others are left to other importers."""


class WorkflowImporter(AbstractDagImporter):
    """Imports workflow files; YAML files that are something else are skipped."""

    @classmethod
    def supported_extensions(cls) -> list[str]:
        """Give the endings of workflow files."""
        return [".yaml", ".yml"]

    def import_file(
        self,
        file_path: str | Path,
        *,
        bundle_path: Path | None = None,
        bundle_name: str | None = None,  # noqa: ARG002 (Airflow's signature)
        safe_mode: bool = True,  # noqa: ARG002 (as above)
    ) -> DagImportResult:
        """Give the DAGs of a file, or its problems as one import error that names file, line and column."""
        path, relative = Path(file_path), self.get_relative_path(file_path, bundle_path)
        result = DagImportResult(file_path=relative)
        try:
            if not is_workflow(path):
                result.skipped_files.append(relative)
                return result
            workflow = read_workflow(path, os.environ.get(PROFILE, ""))
            for dag in compile_all(workflow):
                dag.fileloc, dag.relative_fileloc = str(path), relative
                setattr(dag, SOURCE, str(path))
                result.dags.append(dag)
        except (WorkflowError, MlopsError, OSError) as err:
            line = err.problems[0].line if isinstance(err, WorkflowError) else None
            error = DagImportError(file_path=relative, message=str(err), error_type="workflow", line_number=line)
            result.errors.append(error)
        return result

    def list_dag_files(self, directory: str | os.PathLike[str], safe_mode: bool = True) -> Iterator[str]:  # noqa: ARG002, FBT001, FBT002 (as above)
        """Give the workflow files below a folder."""
        yield from (str(path) for path in workflow_files(Path(directory)) if is_workflow(path))


def is_workflow(path: Path) -> bool:
    """Say whether a YAML file is a workflow: it has the key at the start of a line."""
    content = path.read_bytes()
    return content.startswith(KEY) or b"\n" + KEY in content


def install() -> None:
    """Register the importer in this Airflow process, and let its dag-processor find workflow files. For 3.3 only."""
    from importlib.metadata import version

    import airflow.utils.file as files

    if not version("apache-airflow").startswith("3.3."):
        raise RuntimeError(
            "[mlops] import_yaml is for Airflow 3.3; later ones have [dag_processor] dag_importer_configs"
        )
    importer = WorkflowImporter()
    DagImporterRegistry().register(importer)
    files.list_py_file_paths = _with_workflows(files.list_py_file_paths, importer)  # before the dag-processor takes it


def _with_workflows(original: Callable[..., list[str]], importer: WorkflowImporter) -> Callable[..., list[str]]:
    @wraps(original)
    def listing(directory: Any, *args: Any, **kwargs: Any) -> list[str]:
        found = original(directory, *args, **kwargs)
        return [*found, *importer.list_dag_files(directory)] if directory and Path(directory).is_dir() else found

    return listing
