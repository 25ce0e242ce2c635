"""What is drawn: the nodes of a workflow, the edges between them, and what goes back from the monitor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_dag_factory.nodes import nodes_of

if TYPE_CHECKING:
    from mlops_dag_factory.nodes import Node
    from mlops_dag_factory.spec import Workflow


@dataclass(frozen=True, slots=True)
class Edge:
    """From one node to another; `label` is the output that is handed over, `order` says that nothing is."""

    before: str
    after: str
    label: str = ""
    order: bool = False


def drawn(workflow: Workflow) -> tuple[list[Node], list[Edge]]:
    """Give the nodes in the order in which they run, and the edges between them."""
    found = nodes_of(workflow)
    nodes = [found.nodes[name] for name in found.in_order()]
    edges: list[Edge] = []
    for node in nodes:
        labels: dict[str, list[str]] = {}
        for pairs in found.sources[node.name].values():
            for source, output in pairs:
                before = source.partition("[")[0]
                plain = output == found.nodes[before].phase.default_output
                labels.setdefault(before, []).extend([] if plain else [output])
        for before in found.upstream[node.name]:
            label = ", ".join(dict.fromkeys(labels.get(before, [])))
            edges.append(Edge(before, node.name, label, order=before not in labels))
    return nodes, edges


def retrains(workflow: Workflow) -> bool:
    """Say whether the monitor makes the workflow run again."""
    return workflow.monitor is not None and "retrain" in workflow.monitor.actions
