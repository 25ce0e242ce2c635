"""The search for good parameters of a training: its trials live in the store, whoever runs them."""

from __future__ import annotations

from mlops_provider.runtime.tuning.found import Found
from mlops_provider.runtime.tuning.search import find, search, study_key, work

__all__ = ["Found", "find", "search", "study_key", "work"]
