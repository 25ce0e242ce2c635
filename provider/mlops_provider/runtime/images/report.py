"""The report of a package: the Dockerfile, the exact requirements and what was found, to be reviewed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import ReportRef
from mlops_provider.runtime.images.recipe import DOCKERIGNORE
from mlops_provider.runtime.report_page import page
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.images.recipe import Recipe


def publish_report(context: RunContext, about: dict[str, Any], made: Recipe | None, model: ModelRef) -> ReportRef:
    """Publish `report.html`, `package.json`, `requirements.txt` and, for an image, `Dockerfile` and `.dockerignore`."""
    store = context.store()
    with store.scratch() as folder:
        (folder / "package.json").write_bytes(json_bytes(about))
        (folder / "requirements.txt").write_text("".join(f"{pin}\n" for pin in about["requirements"]))
        if made is not None:
            (folder / "Dockerfile").write_text(made.dockerfile())
            (folder / ".dockerignore").write_text(DOCKERIGNORE)
        (folder / "report.html").write_text(_page(context, about, made))
        meta = {"lineage": {"model": model.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    return ReportRef(uri=published.uri, digest=published.digest)


def _page(context: RunContext, about: dict[str, Any], made: Recipe | None) -> str:
    rows = [(name, value) for name, value in about.items() if name != "requirements" and value not in ({}, "")]
    cells = "".join(f"<tr><th>{escape(name)}<td>{_value(value)}" for name, value in rows)
    parts = [f"<table>{cells}</table>"]
    if made is not None:
        parts.append(f"<h2>Dockerfile</h2><div class=wide><pre><code>{escape(made.dockerfile())}</code></pre></div>")
    pins = escape("\n".join(about["requirements"]))
    parts.append(f"<h2>Libraries</h2><pre><code>{pins}</code></pre>")
    return page(f"{context.workflow}: {context.phase}", *parts)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{escape(str(name))} <code>{escape(str(inner))}</code>" for name, inner in value.items())
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"<code>{escape(str(value))}</code>"
