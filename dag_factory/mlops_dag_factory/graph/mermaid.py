"""The graph as Mermaid text, for pages that render it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_dag_factory.graph.edges import drawn, retrains

if TYPE_CHECKING:
    from mlops_dag_factory.nodes import Node
    from mlops_dag_factory.spec import Workflow


def to_mermaid(workflow: Workflow) -> str:
    """Give a flowchart: data edges solid, `after` dotted, checkpoints as hexagons, repeated phases as stacks."""
    nodes, edges = drawn(workflow)
    ids = {node.name: f"n{index}" for index, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    lines += [f"  {ids[node.name]}{_box(node)}" for node in nodes]
    for edge in edges:
        arrow = "-.->" if edge.order else f"-- {edge.label} -->" if edge.label else "-->"
        lines.append(f"  {ids[edge.before]} {arrow} {ids[edge.after]}")
    if workflow.monitor is not None:
        lines.append(f'  monitor(["monitor: {_text(workflow.monitor.environment)}"])')
        lines += [f"  {ids[node.name]} -.-> monitor" for node in nodes if node.phase.type == "release"]
        if retrains(workflow):
            lines.append(f"  monitor == retrain ==> {ids[nodes[0].name]}")
    return "\n".join(lines) + "\n"


def _box(node: Node) -> str:
    text = f'"{_text(node.phase.title or node.name)}<br/><i>{node.phase.type}</i>"'
    if node.phase.checkpoint:
        return f"{{{{{text}}}}}"
    return f"[[{text}]]" if node.phase.foreach else f"[{text}]"


def _text(text: str) -> str:
    return "".join(f"#{ord(character)};" if character in '"<>&#`;{}[]()|' else character for character in text)
