"""A workflow as a graph that people look at: Mermaid and SVG."""

from __future__ import annotations

from mlops_dag_factory.graph.mermaid import to_mermaid
from mlops_dag_factory.graph.svg import to_svg

__all__ = ["to_mermaid", "to_svg"]
