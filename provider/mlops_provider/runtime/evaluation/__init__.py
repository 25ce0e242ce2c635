"""The report of an evaluation: numbers as JSON, words as Markdown, and a self-contained page."""

from __future__ import annotations

from mlops_provider.runtime.evaluation.evaluation import Evaluation
from mlops_provider.runtime.evaluation.evidently_page import EvidentlyPage
from mlops_provider.runtime.evaluation.report import write_report

__all__ = ["Evaluation", "EvidentlyPage", "write_report"]
