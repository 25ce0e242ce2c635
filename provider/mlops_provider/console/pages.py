"""The console's pages, written as HTML by the server; no scripts."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_provider.runtime.records import Record

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top; border-bottom: 1px solid #8884 }
code, pre { font-size: .85rem; overflow-wrap: anywhere } pre { white-space: pre-wrap }
.succeeded, .passed { color: #1a7f37 } .failed, .blocked, .rejected { color: #c93c37 } .dim { opacity: .65 }
"""


def record_page(dag_id: str, records: list[Record]) -> str:
    """Write the page of a phase: the latest attempt in full, the earlier ones in a line each."""
    record = records[0]
    title = f"{record['phase']} · {record['workflow']}"
    status, started = escape(record["status"]), escape(record["started"][:19].replace("T", " "))
    run = f"run <code>{escape(record['run_id'])}</code> · try {record['attempt']} · {started} UTC"
    parts = [
        f"<h1>{escape(record['phase'])} <span class='{status}'>{status}</span></h1>",
        f"<p class=dim>{escape(record['workflow'])} · {run}</p>",
        _error(record),
        _markdown(record.get("summary", "")),
        "" if record.get("verdict") else _metrics(record),  # a checkpoint's summary shows metrics and verdict
        _references("Outputs", dag_id, record.get("outputs", {})),
        _references("Inputs", dag_id, _flat(record.get("inputs", {}))),
        _table("Used", {name.replace("_", " "): str(value) for name, value in record.get("usage", {}).items()}),
        f"<h2>Config</h2><pre>{escape(json.dumps(record['config'], indent=1))}</pre>",
        _table("Why this run exists", {key: _text(value) for key, value in record.get("reason", {}).items()}),
        _earlier(records[1:]),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style><body>{body}</body></html>"
    )


def _error(record: Record) -> str:
    error = record.get("error")
    return f"<h2>Error</h2><pre class=failed>{escape(error['type'])}: {escape(error['message'])}</pre>" if error else ""


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)  # type: ignore[no-any-return]


def _metrics(record: Record) -> str:
    return _table("Metrics", {name: f"{value:.6g}" for name, value in record.get("metrics", {}).items()})


def _table(title: str, values: dict[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(key)}<td>{escape(value)}" for key, value in values.items())
    return f"<h2>{title}</h2><table>{rows}</table>" if rows else ""


def _references(title: str, dag_id: str, refs: dict[str, dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}<td>{escape(ref['kind'])}<td><code>{escape(ref['uri'])}</code>{_open(dag_id, ref)}"
        for name, ref in refs.items()
    )
    return f"<h2>{title}</h2><table>{rows}</table>" if rows else ""


def _open(dag_id: str, ref: dict[str, Any]) -> str:
    if ref["kind"] != "report":
        return ""
    folder = f"/mlops/dags/{dag_id}/reports/{ref['uri'].rsplit('/', 1)[-1]}"
    links = "".join(f" · <a href='{escape(folder)}/{name}'>{name}</a>" for name in ("report.html", "report.json"))
    return f"<br>{links.removeprefix(' · ')}"


def _flat(inputs: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {
        f"{name}[{i}]" if len(refs) > 1 else name: ref for name, refs in inputs.items() for i, ref in enumerate(refs)
    }


def _earlier(records: list[Record]) -> str:
    return _table(
        "Earlier tries",
        {f"try {record['attempt']}": f"{record['status']} {_text(record.get('error', ''))}" for record in records},
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
