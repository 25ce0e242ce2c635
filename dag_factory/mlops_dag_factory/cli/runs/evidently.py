"""`mlops runs evidently`: Evidently's page of an evaluation, a check of a monitor or a drift rule."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_dag_factory.cli.runs.group import usage_errors
from mlops_dag_factory.cli.store import STORE, open_store
from mlops_provider.runtime.evaluation.evidently_page import EVIDENTLY, drawn
from mlops_provider.runtime.iterations.history import read_run
from mlops_provider.runtime.records import run_records


@click.command()
@click.argument("workflow")
@click.argument("run_id")
@click.option("--phase", default="", help="The phase; needed where several of the run have a page.")
@click.option("--page", default=EVIDENTLY, show_default=True, help="Its name in the report, as drift-0.html; or .json.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path(EVIDENTLY), show_default=True,
    help="Where to write the page.",
)  # fmt: skip
@STORE
def evidently(workflow: str, run_id: str, phase: str, page: str, output: Path, store_url: str | None) -> None:
    """Write Evidently's page of a phase of a run, from the rows that its report kept."""
    store = open_store(store_url)
    pages: dict[str, bytes] = {}
    with usage_errors():
        read_run(store, workflow, run_id)
        for record in run_records(store, workflow, run_id):
            report = record.get("outputs", {}).get("report")
            if report and phase in {"", record["phase"]}:
                folder = f"{workflow}/reports/{report['uri'].rsplit('/', 1)[-1]}"
                if made := drawn(store, folder, page):
                    pages[record["phase"]] = made
    if len(pages) != 1:
        several = f"several: choose one with --phase ({', '.join(pages)})" if pages else "none"
        raise click.UsageError(f"reports with a page of Evidently's in run {run_id}: {several}")
    [content] = pages.values()
    output.write_bytes(content)
    click.echo(f"wrote {output} ({len(content) / 1e6:.1f} MB)")
