"""The graph as a picture: layers from left to right, drawn without another program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from mlops_dag_factory.graph.edges import drawn, retrains
from mlops_dag_factory.graph.layers import arrange

if TYPE_CHECKING:
    from mlops_dag_factory.graph.edges import Edge
    from mlops_dag_factory.nodes import Node
    from mlops_dag_factory.spec import Workflow

HEIGHT, GAP, LAYER_GAP, MARGIN, CHARACTER = 46, 22, 74, 24, 7.2
_COLOURS = {
    "data": ("#e3f0fb", "#3b78ab"),
    "model": ("#e6f4e1", "#4f8a3c"),
    "checkpoint": ("#fdf0d3", "#b1801f"),
    "people": ("#fbe6ee", "#b04a72"),
    "service": ("#ece6f8", "#6d52a8"),
    "other": ("#eeeeee", "#777777"),
}
_FAMILIES = {
    "ingest": "data", "label": "data", "transform": "data", "split": "data", "predict": "data", "train": "model",
    "register": "model", "explain": "model", "report": "model",
    "approve": "people", "deploy": "service", "release": "service",
    "rollback": "service", "package": "service", "monitor": "service",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """A node's place, in pixels from the top left."""

    x: float
    y: float
    width: float


def to_svg(workflow: Workflow) -> str:
    """Give the picture as SVG text; the same workflow gives the same."""
    nodes, edges = drawn(workflow)
    rows, lanes = arrange([node.name for node in nodes], edges)
    boxes = _place({node.name: node for node in nodes}, rows)
    width = max(box.x + box.width for box in boxes.values()) + MARGIN
    height = max(box.y for box in boxes.values()) + HEIGHT + MARGIN
    parts = [_edge(edge, [boxes[name] for name in lane]) for edge, lane in zip(edges, lanes, strict=True)]
    parts += [_node(node, boxes[node.name]) for node in nodes]
    if workflow.monitor is not None:
        released = [boxes[node.name] for node in nodes if node.phase.type == "release"]
        parts.append(_monitor(released, boxes[nodes[0].name], height, loops=retrains(workflow)))
        height += HEIGHT + 2 * GAP
    title = escape(workflow.title or workflow.workflow)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="system-ui, sans-serif" role="img">\n'
        f"<title>{title}</title>\n"
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="#667"/></marker></defs>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _place(nodes: dict[str, Node], layers: list[list[str]]) -> dict[str, Box]:
    tallest = max(len(names) for names in layers)
    boxes: dict[str, Box] = {}
    x = float(MARGIN)
    for names in layers:
        widths = [_width(nodes[name]) if name in nodes else 0.0 for name in names]
        top = MARGIN + (tallest - len(names)) * (HEIGHT + GAP) / 2
        for index, name in enumerate(names):
            left = x if widths[index] else x + max(widths) / 2  # an edge passes here
            boxes[name] = Box(left, top + index * (HEIGHT + GAP), widths[index])
        x += max(widths) + LAYER_GAP
    return boxes


def _width(node: Node) -> float:
    return max(len(_label(node)), len(node.phase.type)) * CHARACTER + 26


def _label(node: Node) -> str:
    return node.phase.title or node.name


def _edge(edge: Edge, lane: list[Box]) -> str:
    """Draw an edge through the places that are kept free for it; its label stands where it arrives."""
    x, y = lane[0].x + lane[0].width, lane[0].y + HEIGHT / 2
    path = f"M{x:.0f} {y:.0f}"
    for box in lane[1:]:
        end, level = box.x - (2 if box is lane[-1] else 0), box.y + HEIGHT / 2
        bend = max(24.0, (end - x) / 2)
        path += f" C{x + bend:.0f} {y:.0f} {end - bend:.0f} {level:.0f} {end:.0f} {level:.0f}"
        x, y = end, level
    dash = ' stroke-dasharray="4 4"' if edge.order else ""
    line = f'<path d="{path}" fill="none" stroke="#99a"{dash} marker-end="url(#arrow)"/>'
    if not edge.label:
        return line
    above = -5 if lane[-2].y >= lane[-1].y else 13
    return (
        f'{line}<text x="{x - 10:.0f}" y="{y + above:.0f}" text-anchor="end" font-size="10" fill="#667" stroke="#fff" '
        f'stroke-width="3" paint-order="stroke">{escape(edge.label)}</text>'
    )


def _node(node: Node, box: Box) -> str:
    family = "checkpoint" if node.phase.checkpoint else _FAMILIES.get(node.phase.type, "other")
    fill, stroke = _COLOURS[family]
    about = "\n".join(part for part in (f"{node.name} ({node.phase.type})", node.phase.description) if part)
    middle = box.x + box.width / 2
    stack = ""
    if node.phase.foreach:
        stack = (
            f'<rect x="{box.x + 4:.0f}" y="{box.y - 4:.0f}" width="{box.width:.0f}" height="{HEIGHT}" rx="8" '
            f'fill="{fill}" stroke="{stroke}"/>'
        )
    return (
        f"<g><title>{escape(about)}</title>{stack}"
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{HEIGHT}" rx="8" fill="{fill}" '
        f'stroke="{stroke}"/>'
        f'<text x="{middle:.0f}" y="{box.y + 20:.0f}" text-anchor="middle" font-size="13" fill="#223">'
        f"{escape(_label(node))}</text>"
        f'<text x="{middle:.0f}" y="{box.y + 36:.0f}" text-anchor="middle" font-size="10.5" fill="{stroke}">'
        f"{escape(node.phase.type)}</text></g>"
    )


def _monitor(released: list[Box], first: Box, top: float, *, loops: bool) -> str:
    """Draw the monitor below all, from the releases and back to the first phase."""
    fill, stroke = _COLOURS["service"]
    last = released[-1] if released else first
    x, y, width = last.x + last.width / 2 - 55, top, 110.0
    down = last.x + last.width / 2
    parts = [
        (
            f'<path d="M{down:.0f} {last.y + HEIGHT:.0f} V{y - 2:.0f}" stroke="#99a" stroke-dasharray="4 4" '
            'fill="none" marker-end="url(#arrow)"/>'
        ),
        (
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HEIGHT - 8}" rx="18" fill="{fill}" '
            f'stroke="{stroke}"/>'
        ),
        f'<text x="{down:.0f}" y="{y + 24:.0f}" text-anchor="middle" font-size="13" fill="#223">monitor</text>',
    ]
    if loops:
        back, level = first.x + first.width / 2, y + (HEIGHT - 8) / 2
        parts.append(
            f'<path d="M{x:.0f} {level:.0f} H{back + 10:.0f} Q{back:.0f} {level:.0f} {back:.0f} {level - 10:.0f} '
            f'V{first.y + HEIGHT + 2:.0f}" stroke="{stroke}" stroke-width="1.6" fill="none" marker-end="url(#arrow)"/>'
            f'<text x="{back + 16:.0f}" y="{level - 6:.0f}" font-size="11" fill="{stroke}">retrain</text>'
        )
    return "\n".join(parts)
