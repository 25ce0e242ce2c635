"""`mlops serve`: the model server; `mlops serve-key`: a key for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mlops_provider.settings import store_url_from_environment

TOKEN_VARIABLE = "MLOPS_SERVE_TOKEN"  # noqa: S105 (the name of the variable, not a secret)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"auto_envvar_prefix": "MLOPS_SERVE"})
@click.argument("service", required=False, envvar=[])
@click.option(
    "--store", "store_url", help="Store to follow; default: AIRFLOW__MLOPS__STORE, Airflow's home or 'mlops run's."
)
@click.option(
    "--model-folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the published model in this folder, not a store; with --store, predictions are logged.",
)  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8600, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Processes that share the port.")
@click.option("--url", "public_url", default="", help="Where others reach this server; default: host and port.")
@click.option("--keys", "keys_file", type=_FILE, help="JSON file with the digests of API keys; see 'mlops serve-key'.")
@click.option("--jwt", "jwt_file", type=_FILE, help="JSON file about signed tokens: algorithms, audience, key_file.")
@click.option(
    "--token-file",
    type=_FILE,
    help=f"File with one key for everything; default: the variable {TOKEN_VARIABLE}; without any key: no key needed.",
)
@click.option("--token", envvar=TOKEN_VARIABLE, default="", hidden=True)
@click.option("--tls-cert", type=_FILE, help="Certificate (PEM): the server speaks HTTPS.")
@click.option("--tls-key", type=_FILE, help="Private key of the certificate (PEM).")
@click.option("--max-body-mb", default=10.0, show_default=True, help="Largest body; above: 413.")
@click.option("--max-rows", default=100_000, show_default=True, help="Most rows of a request; above: 413.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds for a prediction; above: 504.")
@click.option("--read-timeout", default=10.0, show_default=True, help="Seconds for a request to arrive; above: 408.")
@click.option("--max-waiting", default=256, show_default=True, help="Requests in work in one process; above: 429.")
@click.option("--batch-rows", default=64, show_default=True, help="Waiting rows that are predicted at once; 0: none.")
@click.option("--drain", default=0.0, show_default=True, help="Seconds of 'not ready' before the server ends.")
@click.option(
    "--engine", type=click.Choice(["scikit-learn", "onnx"]), default="scikit-learn", show_default=True,
    help="'onnx': ONNX Runtime where it answers the golden rows as scikit-learn does.",
)  # fmt: skip
@click.option(
    "--request-log", type=click.Choice(["all", "errors", "none"]), default="errors", show_default=True,
    help="Which requests get a line of JSON on standard error.",
)  # fmt: skip
@click.option("--log-format", type=click.Choice(["json", "text"]), default="json", show_default=True)
def serve(service: str | None, store_url: str | None, token_file: Path | None, token: str, **given: Any) -> None:
    """Serve SERVICE ('workflow' or 'workflow/environment'), or every service of the store.

    One service answers at the root of the server; all of them each below /<workflow>/<environment>. /docs shows how
    to ask, /try/<workflow>/<environment> is a page to ask by hand. With keys, predictions want one as
    'Authorization: Bearer <key>' or 'X-API-Key: <key>'; health, readiness and metrics stay open. Every option can be
    given by the environment: MLOPS_SERVE_WORKERS=2.
    """
    from mlops_provider.exceptions import MlopsError
    from mlops_provider.serving.callers import keys_from_environment
    from mlops_provider.serving.limits import Limits
    from mlops_provider.serving.options import ServeOptions
    from mlops_provider.serving.server import serve as run

    followed = None
    if service:
        workflow, _, environment = service.partition("/")
        followed = (workflow, environment or "production")
    if token_file:
        token = token_file.read_text().strip()
        if not token:
            raise click.UsageError(f"{token_file} is empty")
    limits = Limits(
        body_bytes=int(given.pop("max_body_mb") * 1024 * 1024),
        rows=given.pop("max_rows"),
        seconds=given.pop("timeout"),
        read_seconds=given.pop("read_timeout"),
        waiting=given.pop("max_waiting"),
        batch_rows=given.pop("batch_rows"),
    )
    options = ServeOptions(
        store_url=store_url or ("" if given["model_folder"] else store_url_from_environment()),
        service=followed,
        token=token,
        keys="" if given["keys_file"] else keys_from_environment(),
        limits=limits,
        drain_seconds=given.pop("drain"),
        **{name: str(value or "") if isinstance(value, Path | None) else value for name, value in given.items()},  # type: ignore[arg-type]  # click checked them
    )
    what = "/".join(followed) if followed else "every service"
    click.echo(f"serving {what} of {options.model_folder or options.store_url} on {options.base_url}", err=True)
    try:
        run(options)
    except MlopsError as err:
        raise click.ClickException(str(err)) from err


@click.command("serve-key")
@click.argument("name")
@click.option("--service", "services", multiple=True, default=["*"], show_default=True, help="Services: 'camera/*'.")
@click.option("--expires", default="", help="Until when it is valid, as ISO 8601.")
@click.option("--keys", "file", type=click.Path(dir_okay=False, path_type=Path), help="File of keys to add it to.")
def serve_key(name: str, services: tuple[str, ...], expires: str, file: Path | None) -> None:
    """Make an API key for NAME: the key is shown once; the file holds its digest only."""
    from datetime import datetime

    from mlops_provider.serving.callers import new_key

    key, entry = new_key(name, services)
    if expires:
        try:
            moment = datetime.fromisoformat(expires)
        except ValueError as err:
            raise click.UsageError(f"'{expires}' is not a time in ISO 8601") from err
        entry["expires"] = moment.astimezone().isoformat()
    if file:
        entries = json.loads(file.read_text()) if file.exists() else []
        aside = file.with_name(f".{file.name}.new")
        aside.write_text(json.dumps([*entries, entry], indent=1) + "\n")
        aside.replace(file)
        click.echo(f"added '{name}' to {file}; the key is shown only now:", err=True)
    else:
        click.echo(json.dumps(entry, indent=1), err=True)
    click.echo(key)
