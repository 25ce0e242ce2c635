"""What to look at next: rules over the evidence, each sentence with the numbers that it follows from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_provider.runtime.iterations.changes import Changes
    from mlops_provider.runtime.iterations.crossed import Crossed
    from mlops_provider.runtime.iterations.parts import WorstParts
    from mlops_provider.runtime.iterations.scores import Step
    from mlops_provider.runtime.iterations.suspects import Suspect

_MOSTLY = 0.5
_SHOWN = 3


def propose(
    step: Step,
    crossed: Crossed | None,
    suspects: list[Suspect],
    changes: Changes,
    parts: WorstParts,
    *,
    models: tuple[str, str],
    target: tuple[str, ...],
) -> list[str]:
    """Give the sentences, the most telling first; `models` are the digests of both."""
    found = []
    if crossed and crossed.fall > 0:
        found += _of_cross(crossed, suspects)
    found += _of_parts(parts)
    found += _of_labels(changes, target)
    if not any(suspect.side == "model" for suspect in suspects) and models[0] != models[1]:
        found.append(
            "Nothing that is recorded changed on the way to the model, and yet it is another one "
            f"({models[0][:12]} → {models[1][:12]}): the training does not repeat itself."
        )
    if step.sure is False:
        found.append(
            f"The earlier {step.name} ({step.earlier:.4g}) lies within the 95 % interval of the later one: a fall of "
            f"{step.fall:.2g} may be chance."
        )
    return found


def _of_cross(crossed: Crossed, suspects: list[Suspect]) -> list[str]:
    name, share = crossed.metric, crossed.share_of_rows()
    if share is None:
        own, others = (crossed.old_old, crossed.new_new), (crossed.old_new, crossed.new_old)
        says = (
            f"Each model does well on its own rows ({name} {own[0]:.3f} and {own[1]:.3f}) and worse on the other's "
            f"({others[0]:.3f} and {others[1]:.3f}): what the rows say changed, in the labels or in a column"
        )
        return [f"{says}{_first(suspects)}."]
    rows = [suspect for suspect in suspects if suspect.side == "rows"]
    model = [suspect for suspect in suspects if suspect.side == "model"]
    found = []
    if share >= _MOSTLY:
        found.append(
            f"The old model has {name} {crossed.old_old:.3f} on the old rows and {crossed.old_new:.3f} on the new: the "
            f"data became harder ({share:.0%} of the fall of {crossed.fall:.3f} comes with the rows)"
            f"{_first(rows)}."
        )
    if share < _MOSTLY or (crossed.by_model > 0 and 1 - share >= _MOSTLY / 2):
        found.append(
            f"On the new rows the old model has {name} {crossed.old_new:.3f} and the new one {crossed.new_new:.3f}, on "
            f"the old rows {crossed.old_old:.3f} and {crossed.new_old:.3f}: {1 - share:.0%} of the fall of "
            f"{crossed.fall:.3f} comes with the model" + _on_its_way(model)
        )
    if crossed.seen:
        part = crossed.seen / crossed.rows[1]
        found.append(
            f"{crossed.seen:,} of the {crossed.rows[1]:,} new rows ({part:.0%}) are rows that the old model learned "
            "from: its score on them flatters it."
        )
    return found


def _first(suspects: list[Suspect]) -> str:
    moved = [suspect for suspect in suspects if suspect.drift is not None]
    return f"; look first at {_listed(moved)}" if moved else "; no column drifted, so look at the labels"


def _on_its_way(model: list[Suspect]) -> str:
    if not model:
        return "."
    if len(model) == 1:
        return f"; the only change on its way: {model[0].says}."
    return f"; {len(model)} changes on its way: {_listed(model)}."


def _of_parts(parts: WorstParts) -> list[str]:
    """Point at the worst slice of the later run where the earlier one had no such slice, or a better one."""
    for part in parts.later:
        before = parts.before(part)
        if before is None or before["loss"] < part["loss"]:
            then = "the earlier run had no such slice" if before is None else f"before it was {before['loss']:.3f}"
            where = f"{part['text']} ({part['rows']:,} rows, {part['share']:.0%})"
            loss = f"{part['loss']:.3f} against {part['rest_loss']:.3f} on the rest"
            return [f"Look at the rows where {where}: their mean loss is {loss}; {then}."]
    return []


def _of_labels(changes: Changes, target: tuple[str, ...]) -> list[str]:
    return [
        f"{change.details['replaced_rows']:,} rows of the training data have another {change.subject} than before, "
        "and that is the target: check where these labels come from."
        for change in changes.of_kind("data")
        if change.subject in target and change.details.get("replaced_rows")
    ]


def _listed(suspects: list[Suspect]) -> str:
    more = f", and {len(suspects) - _SHOWN} more" if len(suspects) > _SHOWN else ""
    return ", ".join(suspect.says for suspect in suspects[:_SHOWN]) + more
