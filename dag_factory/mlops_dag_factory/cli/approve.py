"""`mlops approve`: what waits for people, and one person's decision, over Airflow's web server."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

import click

from mlops_dag_factory.cli.airflow_api import AirflowSession


@click.command()
@click.argument("workflow", default="")
@click.argument("run", default="")
@click.argument("phase", default="")
@click.option("--reject", is_flag=True, help="Reject; needs a reason.")
@click.option("--reason", default="", help="Why; stays on record.")
@click.option("--evidence", default="", help="Digest of the evidence that was looked at; default: show it and ask.")
@click.option("--yes", "sure", is_flag=True, help="Do not ask again.")
@click.option("--url", default="http://localhost:8080", show_default=True, envvar="MLOPS_AIRFLOW_URL", help="Airflow.")
@click.option("--user", default="", envvar="MLOPS_AIRFLOW_USER", help="Airflow user, where there is no token.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def approve(
    workflow: str,
    run: str,
    phase: str,
    reject: bool,  # noqa: FBT001 (click's flag)
    reason: str,
    evidence: str,
    sure: bool,  # noqa: FBT001 (click's flag)
    url: str,
    user: str,
    as_json: bool,  # noqa: FBT001 (click's flag)
) -> None:
    """Decide on a RUN of a WORKFLOW that waits; without them, list all that waits for people.

    PHASE is needed where several phases of the run wait. Who you are: the variable MLOPS_AIRFLOW_TOKEN, or --user with
    MLOPS_AIRFLOW_PASSWORD or a prompt. Exits 1 where the decision is refused.
    """
    airflow = AirflowSession.open(url, user)
    waiting = airflow.get("/mlops/approvals")
    if not run:
        shown = [item for item in waiting if not workflow or item["workflow"] == workflow]
        click.echo(json.dumps(shown, indent=1)) if as_json else _list(shown)
        return
    path = f"/mlops/dags/{workflow}/runs/{quote(run, safe='')}/approvals/{phase or _phase(waiting, workflow, run)}"
    asked = airflow.get(path)
    if not as_json:
        _show(asked)
    if not sure and not evidence:
        word = "reject" if reject else "approve"
        click.confirm(f"{word} this, on evidence {asked['evidence'][:12]}?", abort=True, err=True)
    answer = {
        "choice": "reject" if reject else "approve",
        "reason": reason,
        "evidence": _whole(evidence, asked["evidence"]),
    }
    done = airflow.post(path, answer)
    click.echo(json.dumps(done, indent=1) if as_json else f"{done['said']}")


def _phase(waiting: list[dict[str, Any]], workflow: str, run: str) -> str:
    """Give the only approval that waits in a run."""
    phases = [
        str(item["phase"])
        for item in waiting
        if item["approval"] and (item["workflow"], item["run"]) == (workflow, run)
    ]
    if len(phases) == 1:
        return phases[0]
    if phases:
        raise click.UsageError(f"several phases of run {run} wait: name one of {', '.join(phases)}")
    others = [f"{item['workflow']} {item['run']} {item['phase']}" for item in waiting if item["approval"]]
    click.echo(f"error: run {run} of {workflow} waits for no approval", err=True)
    click.echo("  hint: what waits: " + ("; ".join(others) or "nothing"), err=True)
    sys.exit(1)


def _whole(given: str, asked: str) -> str:
    """Give the digest that was looked at: the one asked about where its beginning was given."""
    return asked if not given or (len(given) >= 12 and asked.startswith(given)) else given  # noqa: PLR2004


def _show(asked: dict[str, Any]) -> None:
    evidence = asked["evidence_shown"]
    for model in asked["models"]:
        click.echo(f"{model['name']} version {model['version']}, digest {model['digest'][:20]}")
    click.echo(f"run {asked['run']}: {evidence['started']}")
    for each in evidence["checkpoints"]:
        click.echo(f"\n{each['phase']}: {each['status']}\n{each['summary']}")
    for change in evidence["changes"].get("changes", []):
        click.echo(f"changed, {change['kind']}: {change['says']}")
    click.echo(f"\nevidence {asked['evidence'][:20]}; {asked['said']}")
    for decision in asked["decisions"]:
        click.echo(f"  {decision['by']['name']} {decision['choice']} at {decision['at'][:16]}: {decision['reason']}")


def _list(waiting: list[dict[str, Any]]) -> None:
    if not waiting:
        click.echo("nothing waits")
    for item in waiting:
        approval = item["approval"] or {}
        until = f", until {approval['until'][:16]}" if approval.get("until") else ""
        state = f"  {approval['said']}{until}; {approval['why_not'] or 'you may decide'}" if approval else ""
        click.echo(f"{item['workflow']} {item['run']} {item['phase']}: {item['question']}{state}")
