"""A new phase type, as a distribution of its own: spec, operator, work, test, page."""

from __future__ import annotations

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "mlops-phase-{dashed}"
version = "0.1.0"
description = "Phase type '{name}' for airflow-provider-mlops."
requires-python = ">=3.11"
dependencies = ["airflow-provider-mlops"]

[project.entry-points."mlops.phase_types"]
{name} = "mlops_phase_{name}:PHASE_TYPE"

[tool.hatch.build.targets.wheel]
packages = ["mlops_phase_{name}"]
"""
INIT = '''\
"""Phase type `{name}`. Airflow imports this at every parse: keep it light."""

from __future__ import annotations

from mlops_dag_factory.phases import PhaseType

PHASE_TYPE = PhaseType("{name}", "mlops_phase_{name}.spec:{title}Spec", "mlops_phase_{name}.operator:{title}Operator")
'''
SPEC = '''\
"""What a workflow file may say in a phase of type `{name}`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlops_dag_factory.spec.base import DataReference
from mlops_dag_factory.spec.phase import PhaseSpec


class {title}Spec(PhaseSpec):
    """Say here what the phase does."""

    outputs: ClassVar = {{"data": "dataset"}}
    default_output: ClassVar = "data"

    type: Literal["{name}"] = "{name}"
    data: DataReference = Field(description="Dataset to work on.")
    least: int = Field(default=1, ge=0, description="Rows that the dataset must have.")
'''
OPERATOR = '''\
"""The operator of phase type `{name}`: it runs `work.run` in the worker."""

from __future__ import annotations

from mlops_provider.operators.phase import PhaseOperator


class {title}Operator(PhaseOperator):
    """Say here what the phase does."""

    phase_type = "{name}"
    function = "mlops_phase_{name}.work"
    ui_color = "#e8f0ee"
'''
WORK = '''\
"""The work of phase type `{name}`: a function of its config and references. Import heavy libraries inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one

if TYPE_CHECKING:
    from mlops_phase_{name}.spec import {title}Spec


def run(config: {title}Spec, inputs: Inputs, context: RunContext) -> Outcome:
    """Hand the dataset on when it has enough rows."""
    data: DatasetRef = one(inputs, "data", DatasetRef)
    if data.rows < config.least:
        raise ConfigError(f"{{context.phase}} needs {{config.least}} rows, got {{data.rows}}")
    return Outcome(outputs={{"data": data}}, metrics={{"rows": float(data.rows)}}, summary=f"{{data.rows}} rows.")
'''
TEST = '''\
"""Phase type `{name}`: it hands enough rows on, and says what is missing."""

from __future__ import annotations

import pytest

from mlops_phase_{name}.spec import {title}Spec
from mlops_phase_{name}.work import run
from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.contract import RunContext

DATA = DatasetRef(uri="store/rows", digest="0" * 64, rows=3)
CONTEXT = RunContext(workflow="w", run_id="r", phase="p", store_url="store")


def test_enough_rows_are_handed_on():
    outcome = run({title}Spec(data="rows", least=3), {{"data": [DATA]}}, CONTEXT)

    assert outcome.outputs == {{"data": DATA}}
    assert outcome.metrics == {{"rows": 3.0}}


def test_too_few_rows_are_an_error_that_says_how_many():
    with pytest.raises(ConfigError, match="needs 4 rows, got 3"):
        run({title}Spec(data="rows", least=4), {{"data": [DATA]}}, CONTEXT)
'''
PAGE = """\
# Phase type `{name}`

```yaml
checked: {{type: {name}, data: rows, least: 100}}
```

`pip install .` beside Airflow makes it known: `mlops schema` has it, workflow files may use it.
"""


def phase_files(name: str) -> dict[str, str]:
    """Give the files of a project for a phase type; `name` is a Python identifier in lower case."""
    words = {"name": name, "dashed": name.replace("_", "-"), "title": name.title().replace("_", "")}
    package = f"mlops_phase_{name}"
    texts = {
        "pyproject.toml": PYPROJECT,
        "README.md": PAGE,
        f"{package}/__init__.py": INIT,
        f"{package}/spec.py": SPEC,
        f"{package}/operator.py": OPERATOR,
        f"{package}/work.py": WORK,
        f"tests/test_{name}.py": TEST,
    }
    return {path: text.format(**words) for path, text in texts.items()}
