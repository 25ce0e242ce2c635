"""YAML texts become plain data with the place of every node, and back."""

from __future__ import annotations

from mlops_dag_factory.source.composition import compose
from mlops_dag_factory.source.document import Document, parse, read_text_of, workflow_files
from mlops_dag_factory.source.writing import dump

__all__ = ["Document", "compose", "dump", "parse", "read_text_of", "workflow_files"]
