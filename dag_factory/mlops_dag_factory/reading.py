"""Read a workflow file: YAML text becomes a workflow, or all its problems at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from mlops_dag_factory.errors import Problem, WorkflowError
from mlops_dag_factory.spec import Workflow

if TYPE_CHECKING:
    from pathlib import Path


def read_workflow(path: Path) -> Workflow:
    try:
        return Workflow.model_validate(yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
    except ValidationError as err:
        raise WorkflowError(
            Problem(file=str(path), path=".".join(map(str, e["loc"])), code=e["type"], message=e["msg"]) for e in err.errors()
        ) from err
    except yaml.YAMLError as err:
        raise WorkflowError([Problem(file=str(path), code="yaml", message=str(err))]) from err
