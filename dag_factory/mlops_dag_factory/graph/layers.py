"""Where nodes stand: layers by the longest way to each, and within a layer near what they are connected to.

The usual steps for layered drawings (Sugiyama, Tagawa, Toda 1981): layers by longest path, a place kept free in every
layer that an edge crosses, sweeps that sort by the barycentre of the neighbours.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_dag_factory.graph.edges import Edge

SWEEPS = 4


def arrange(names: Sequence[str], edges: Sequence[Edge]) -> tuple[list[list[str]], list[list[str]]]:
    """Give the layers, each from top to bottom, and for every edge the places that it goes through, ends included.

    `names` come in an order in which each follows those before it. Places that are kept free for an edge have names
    that no node has.
    """
    depth = dict.fromkeys(names, 0)
    before: dict[str, list[str]] = {name: [] for name in names}
    for edge in edges:
        before[edge.after].append(edge.before)
    for name in names:
        depth[name] = max((depth[other] + 1 for other in before[name]), default=0)
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    lanes: list[list[str]] = []
    for index, edge in enumerate(edges):
        lane = [edge.before]
        for level in range(depth[edge.before] + 1, depth[edge.after]):
            lane.append(f"{index} {level}")
            layers[level].append(lane[-1])
        lanes.append([*lane, edge.after])
    _sort(layers, lanes)
    return layers, lanes


def _sort(layers: list[list[str]], lanes: list[list[str]]) -> None:
    near: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for lane in lanes:
        for left, right in itertools.pairwise(lane):
            near[0].setdefault(right, []).append(left)
            near[1].setdefault(left, []).append(right)
    position = {name: float(index) for names in layers for index, name in enumerate(names)}
    for sweep in range(SWEEPS):
        neighbours = near[sweep % 2]
        for names in layers if sweep % 2 == 0 else reversed(layers):
            centre = {}
            for name in names:
                places = [position[other] for other in neighbours.get(name, [])]
                centre[name] = sum(places) / len(places) if places else position[name]
            names.sort(key=lambda name: (centre[name], position[name]))
            position.update((name, float(index)) for index, name in enumerate(names))
