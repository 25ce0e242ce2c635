"""The self-contained HTML page of every report that we write."""

from __future__ import annotations

from html import escape

STYLE = (
    ":root{color-scheme:light dark;--c0:#1565c0;--c1:#d9600a;--c2:#2e7d32;--c3:#8e24aa;--c4:#00838f;--c5:#b71c5c;"
    "--c6:#7a6a00;--c7:#5d4037;--ok:#2e7d32;--bad:#c62828}"
    "@media(prefers-color-scheme:dark){:root{--c0:#64b0ff;--c1:#ff9d52;--c2:#7ccf80;--c3:#d491ea;--c4:#4dd0e1;"
    "--c5:#f48fb1;--c6:#e6d25a;--c7:#c9a798;--ok:#4caf50;--bad:#ef5350}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #8884}"
    "td{vertical-align:top}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}h3{font-size:1rem}svg{max-width:100%;height:auto;overflow:visible}"
    "text{font:11px system-ui,sans-serif;fill:currentColor}.axis{opacity:.75}.grid{stroke:#8883}.cell{stroke:#8884}"
    "figure{margin:0 0 1rem}figcaption{font-weight:600}.plots{display:flex;flex-wrap:wrap;gap:1rem 2rem}"
    ".keys{font-size:.8rem}.key{margin-right:1rem;white-space:nowrap}"
    ".key i{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin-right:.3rem}"
    "a{color:var(--c0)}.wide td:last-child{min-width:9rem}"
    "code{font-size:.85rem;overflow-wrap:anywhere}td:first-child code{overflow-wrap:break-word}"
    "small,.dim{opacity:.7}details{margin:.4rem 0}summary{cursor:pointer}"
    ".warn,.failed{color:var(--bad)}.passed{color:var(--ok)}.failed,.passed,.warned{font-weight:600}"
    ".warned{color:var(--c1)}.verdict{font-size:1.2rem;font-weight:700;border-left:.4rem solid #888;"
    "padding:.2rem .8rem;margin:.5rem 0}.verdict.passed{border-color:var(--ok)}"
    ".verdict.blocked{border-color:var(--bad);color:var(--bad)}.verdict.overridden{border-color:var(--c1)}"
)


def page(title: str, *parts: str) -> str:
    """Give a page of a heading and parts that are HTML already."""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{''.join(parts)}</html>"
    )


def markdown(text: str) -> str:
    """Render Markdown with tables; HTML in it is shown as text."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))
