"""The part of the page that says where the model errs."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.evaluation.tables import cell, number, row_table, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_provider.runtime.explanation.errors import Errors
    from mlops_provider.store.models import Signature

_LOSSES = {
    "classification": "the log loss, or 1 for a wrong class where there are no probabilities",
    "multilabel": "the share of its labels that are wrong",
    "ranking": "one minus the ndcg of its query",
}


def error_section(errors: Errors, signature: Signature) -> Iterator[str]:
    """Yield the worst slices, then the worst rows with what moved their answers."""
    loss = _LOSSES.get(signature.task, "the absolute error")
    yield f"<h2>Where it errs</h2><p>The loss of a row is {loss}.</p>"
    if len(errors.slices):
        head = ["where", errors.slices.units, "loss", "loss of the rest"]
        lines = [
            [f"<b>{escape(one.text)}</b>", f"{one.rows:,} ({one.share:.1%})", number(one.loss), number(one.rest_loss)]
            for one in errors.slices
        ]
        yield table(head, lines, numbers=range(1, 4))
    else:
        yield "<p>No part of the rows is surely worse than the rest.</p>"
    yield "<h3>The rows with the largest losses</h3>"
    if not errors.unit:
        yield row_table(errors.rows)
        return
    yield (
        f"<p>What moved each answer the most, in SHAP values of the {escape(errors.unit)}; of several classes those of "
        "the class that was given.</p>"
    )
    head = ["row", "truth", "prediction", "loss", "because"]
    lines = [
        [f"{row['row']:,}", cell(row["truth"]), cell(row["prediction"]), number(row["loss"]), _because(row)]
        for row in errors.rows
    ]
    yield table(head, lines, numbers=[0, 3])


def _because(row: dict[str, Any]) -> str:
    values = row["values"]
    return "<br>".join(
        f"{value:+.3g} by {escape(name)}{f' = {cell(values[name])}' if name in values else ''}"
        for name, value in row["because"].items()
    )
