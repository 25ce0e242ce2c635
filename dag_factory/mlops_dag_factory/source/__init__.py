"""YAML text becomes plain data with the line and column of every node, and back."""

from __future__ import annotations

from mlops_dag_factory.source.document import Document, parse, read_text_of
from mlops_dag_factory.source.writing import dump

__all__ = ["Document", "dump", "parse", "read_text_of"]
