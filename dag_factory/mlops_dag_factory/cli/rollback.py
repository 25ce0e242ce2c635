"""`mlops rollback`: the version before takes over again, in one command, whether a model server is up or not."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_dag_factory.cli.services import addresses_of
from mlops_dag_factory.cli.store import JSON, STORE, errors, open_store
from mlops_provider.settings import tracking_uri_from_environment
from mlops_provider.store.placements import read_placement
from mlops_provider.store.services import list_services, now, read_service

if TYPE_CHECKING:
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.store import Store


_SQLITE = "sqlite:///"


@click.command()
@click.argument("service", metavar="WORKFLOW[/ENVIRONMENT]")
@click.option("--to", default="previous", show_default=True, help="A version, 'previous' or 'alternate'.")
@click.option("--reason", required=True, help="Why: for the service's history and the audit chain.")
@click.option("--by", default="", help="Who does it; default: your user name.")
@click.option("--wait", default=30.0, show_default=True, help="Seconds that the model servers are waited for.")
@click.option("--registry", default="", help="MLflow's URI; default: AIRFLOW__MLOPS__TRACKING_URI or the embedded one.")
@STORE
@JSON
def rollback(service: str, store_url: str | None, as_json: bool, **given: Any) -> None:  # noqa: FBT001 (click's flag)
    """Give all traffic of a service, by default of its production, back to the version before.

    The deployment record changes at once and servers follow it, also those that start later. The champion moves
    with it in the audit chain, and MLflow's alias after that.
    """
    from datetime import timedelta

    from mlops_provider.runtime.rollback import follow, mirrored, take_back
    from mlops_provider.store.standing import Actor

    store = open_store(store_url)
    workflow, _, environment = service.partition("/")
    environment = environment or "production"
    if read_service(store, workflow, environment).revision == 0:
        known = ", ".join(state.name for state in list_services(store)) or "none"
        raise click.UsageError(f"there is no service '{workflow}/{environment}' in {store.url}; services: {known}")
    by = given["by"] or getpass.getuser()
    actor = Actor(workflow=workflow, identity=f"rollback/{by}/{now()}", run="", by=by, reason=given["reason"])
    with errors():
        done = take_back(store, workflow, environment, to=given["to"], actor=actor)
        click.echo(done.sentence(), err=as_json)
        said = mirrored(_context(store, workflow, given["registry"], by), done.name)
        addresses = addresses_of(read_placement(store, workflow, environment))
        url, servers = follow(store, done, timedelta(seconds=given["wait"]), addresses)
    if as_json:
        found = {
            "service": done.service.name,
            "version": done.live.version,
            "left": done.left.version if done.left else None,
            "revision": done.service.revision,
            "champion_of": done.name or None,
            "url": url or None,
        }
        click.echo(json.dumps(found, indent=1))
    click.echo(" ".join([servers, *said]), err=as_json)


def _context(store: Store, workflow: str, registry: str, by: str) -> RunContext:
    """Give the context in which MLflow's aliases are put right; without a registry that is there, they are not."""
    from mlops_provider.runtime.contract import RunContext

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a registry that is away must not hold this up
    uri = registry or tracking_uri_from_environment()
    if uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).exists():
        uri = ""
    return RunContext(workflow=workflow, run_id="", phase="rollback", store_url=store.url, tracking_uri=uri, owner=by)
