"""`mlops run`: the whole workflow in this process, with the same DAG that Airflow would run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from mlops_dag_factory.errors import WorkflowError
from mlops_dag_factory.nodes import with_all_inline
from mlops_dag_factory.reading import read_workflow

if TYPE_CHECKING:
    from mlops_dag_factory.spec import Workflow

_SERVED = {"deploy", "test_service", "release", "rollback"}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="Set a parameter; may be repeated.")
@click.option("--preset", default="", help="Preset of parameter values.")
@click.option("--scene", default="", help="Run the phases of this scene only.")
@click.option("--scene-run", default="", metavar="RUN", help="Run that the scene starts from; default: the latest.")
@click.option("--profile", default="", envvar="MLOPS_PROFILE", help="Overlay of the file to run with.")
@click.option("--home", default=".mlops/run", show_default=True, type=click.Path(path_type=Path), help="Embedded home.")
@click.option("--approve/--reject", "approved", default=None, help="Answer approvals; default: ask here.")
@click.option("--reason", default="", help="Reason of --approve or --reject; stays on record.")
def run(
    file: Path,
    params: tuple[str, ...],
    preset: str,
    scene: str,
    scene_run: str,
    profile: str,
    home: Path,
    approved: bool | None,  # noqa: FBT001 (click's flag)
    reason: str,
) -> None:
    """Run a workflow file in this process and exit 0 when every phase succeeded."""
    try:
        workflow = read_workflow(file, profile)
    except WorkflowError as err:
        click.echo(str(err), err=True)
        sys.exit(1)
    values = parse_parameters(workflow, params) | choices(workflow, preset, scene, scene_run)
    from mlops_dag_factory.local.home import LocalHome

    local = LocalHome(home.absolute())
    local.create()
    workflow = with_all_inline(workflow)  # no scheduler runs here that would start other runs
    local.write(f"{workflow.workflow}.yaml", workflow.to_yaml())
    os.environ.update(local.environment(data_root=Path.cwd()))
    server = None
    if any(phase.type in _SERVED for phase in workflow.phases.values()):
        from mlops_dag_factory.local.server import LocalServer

        server = LocalServer(local).start()
    try:
        from mlops_dag_factory.local.in_process import run_in_process

        succeeded = run_in_process(workflow, local, values, approved=approved, reason=reason)
    finally:
        if server:
            server.stop()
    sys.exit(0 if succeeded else 1)


def choices(workflow: Workflow, preset: str, scene: str, scene_run: str) -> dict[str, Any]:
    """Give what chooses a preset and a scene; click.UsageError where there is none of that name."""
    for name, known, what in ((preset, workflow.presets, "preset"), (scene, workflow.scenes, "scene")):
        if name and name not in known:
            raise click.UsageError(f"{workflow.workflow} has no {what} '{name}'; {what}s: {', '.join(known) or 'none'}")
    chosen = {"preset": preset, "scene": scene, "scene_run": scene_run}
    return {name: value for name, value in chosen.items() if value}


def parse_parameters(workflow: Workflow, params: tuple[str, ...]) -> dict[str, Any]:
    """Turn NAME=VALUE into values of the declared types; click.UsageError says what is wrong."""
    values: dict[str, Any] = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"'{text}' is not NAME=VALUE")
        if name not in workflow.parameters:
            known = ", ".join(workflow.parameters) or "none"
            raise click.UsageError(f"{workflow.workflow} has no parameter '{name}'; declared: {known}")
        spec = workflow.parameters[name]
        values[name] = value if spec.type == "string" else yaml.safe_load(value)
        if not spec.accepts(values[name]):
            raise click.UsageError(f"'{value}' is not what parameter '{name}' allows ({spec.json_schema()})")
    form = {name: spec for name, spec in workflow.parameters.items() if not spec.ask}
    missing = [name for name, spec in form.items() if spec.required and name not in values]
    if missing:
        raise click.UsageError(f"required: {', '.join(f'--param {name}=…' for name in missing)}")
    return values
