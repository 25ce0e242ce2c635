"""Slices: parts of the rows, described by conditions on columns, on which a model errs more than on the rest."""

from __future__ import annotations

from mlops_provider.runtime.slices.found import Slice, SliceSearch
from mlops_provider.runtime.slices.search import find_slices
from mlops_provider.runtime.slices.worst import WorstValue, worst_values

__all__ = ["Slice", "SliceSearch", "WorstValue", "find_slices", "worst_values"]
