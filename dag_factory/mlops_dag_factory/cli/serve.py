"""`mlops serve`: the model server."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_provider.settings import store_url_from_environment

TOKEN_VARIABLE = "MLOPS_SERVE_TOKEN"  # noqa: S105 (the name of the variable, not a secret)


@click.command()
@click.argument("service", required=False)
@click.option(
    "--store", "store_url", help="Store to follow; default: AIRFLOW__MLOPS__STORE, Airflow's home or 'mlops run's."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8600, show_default=True, help="Port to listen on.")
@click.option("--url", "public_url", default="", help="Where others reach this server; default: host and port.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"File with the token that predictions want; default: the variable {TOKEN_VARIABLE}; without: no token.",
)
@click.option("--token", envvar=TOKEN_VARIABLE, default="", hidden=True)
def serve(
    service: str | None,
    store_url: str | None,
    host: str,
    port: int,
    public_url: str,
    token_file: Path | None,
    token: str,
) -> None:
    """Serve SERVICE ('workflow' or 'workflow/environment'), or every service of the store.

    One service answers at the root of the server; all of them each below /<workflow>/<environment>. With a token,
    predictions want it as 'Authorization: Bearer <token>'; health, readiness and metrics stay open.
    """
    from mlops_provider.exceptions import MlopsError
    from mlops_provider.serving.server import serve as run

    followed = None
    if service:
        workflow, _, environment = service.partition("/")
        followed = (workflow, environment or "production")
    if token_file:
        token = token_file.read_text().strip()
        if not token:
            raise click.UsageError(f"{token_file} is empty")
    url = store_url or store_url_from_environment()
    what = "/".join(followed) if followed else "every service"
    click.echo(f"serving {what} of {url} on http://{host}:{port}", err=True)
    try:
        run(url, service=followed, host=host, port=port, token=token, public_url=public_url)
    except MlopsError as err:
        raise click.ClickException(str(err)) from err
