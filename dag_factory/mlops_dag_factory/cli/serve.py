"""`mlops serve`: the model server."""

from __future__ import annotations

import click

from mlops_provider.settings import store_url_from_environment


@click.command()
@click.argument("service", required=False)
@click.option("--store", "store_url", help="Store to follow; default: AIRFLOW__MLOPS__STORE or Airflow's home.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8600, show_default=True, help="Port to listen on.")
def serve(service: str | None, store_url: str | None, host: str, port: int) -> None:
    """Serve SERVICE ('workflow' or 'workflow/environment'), or every service of the store.

    One service answers at the root of the server; all of them each below /<workflow>/<environment>. With the
    environment variable MLOPS_SERVE_TOKEN, predictions want it as a bearer token.
    """
    from mlops_provider.serving.server import serve as run

    followed = None
    if service:
        workflow, _, environment = service.partition("/")
        followed = (workflow, environment or "production")
    url = store_url or store_url_from_environment()
    what = "/".join(followed) if followed else "every service"
    click.echo(f"serving {what} of {url} on http://{host}:{port}")
    run(url, service=followed, host=host, port=port)
