"""What may have made a metric fall, ranked by numbers.

Only columns that the model takes, and what it predicts, come into question. The four scores of both models on both
sets of rows say what share of the fall comes with the rows and what with the model. The share of the rows goes to the
columns that moved between the two sets, in proportion to their drift times their importance to the model; the share of
the model is divided equally among what changed on the way to it, for nothing that is recorded says more. Without the
four scores nothing has a weight, and the order is that of the changes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import DatasetRef
from mlops_provider.runtime.dataset_drift import score_datasets
from mlops_provider.runtime.iterations.training_sets import DRIFTED

if TYPE_CHECKING:
    from mlops_provider.runtime.iterations.changes import Changes
    from mlops_provider.runtime.iterations.crossed import Crossed
    from mlops_provider.runtime.iterations.history import Run
    from mlops_provider.runtime.records import Record
    from mlops_provider.store.store import Store

_TRAINING = ("parameters", "seed", "code")
_IMPORTANCE = "importance"


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that may be the reason: `weight` is its share of the fall, None where there is no evidence for one."""

    side: str
    subject: str
    says: str
    weight: float | None = None
    drift: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Made:
    """How the later model was made: the phases that it goes back to, the columns it takes, what it predicts."""

    phases: frozenset[str] = frozenset()
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def concerns(self, column: str) -> bool:
        """Say whether a column means something to the model; all do where its signature is gone."""
        return not self.features or column in self.features or column in self.targets


def rank(
    changes: Changes, crossed: Crossed | None, made: Made, drifts: dict[str, float], importance: dict[str, float]
) -> list[Suspect]:
    """Give what may be the reason, the likeliest first."""
    share = crossed.share_of_rows() if crossed else None
    found = _of_rows(share, {name: score for name, score in drifts.items() if made.concerns(name)}, importance, made)
    found += _of_model(changes, None if share is None else 1 - share, made)
    return sorted(found, key=lambda suspect: -(suspect.weight or 0.0))


def _of_rows(share: float | None, drifts: dict[str, float], importance: dict[str, float], made: Made) -> list[Suspect]:
    """Divide the share of the rows among the columns; a target that moved has no weight, for no model takes it."""
    moved = {name: score for name, score in drifts.items() if score >= DRIFTED}
    known = {name: max(importance[name], 0.0) for name in moved if name in importance}
    weights = {
        name: 0.0 if name in made.targets else score * (known.get(name, 0.0) if any(known.values()) else 1.0)
        for name, score in moved.items()
    }
    total = sum(weights.values())
    found = []
    for name, score in sorted(moved.items(), key=lambda item: -weights[item[0]]):
        more = f", importance {known[name]:.3g}" if name in known else ""
        weight = share * weights[name] / total if share is not None and weights[name] else None
        found.append(
            Suspect("rows", name, f"column {name} of the evaluated rows (drift {score:.2f}{more})", weight, score)
        )
    return found


def _of_model(changes: Changes, share: float | None, made: Made) -> list[Suspect]:
    found: dict[str, str] = {}
    for change in changes.changes:
        if change.kind in _TRAINING and change.phase in made.phases:
            found[f"{change.phase}.{change.subject}"] = change.says
    libraries = [change.says for change in changes.of_kind("libraries")]
    package = [change.says for change in changes.of_kind("code") if not change.phase]
    if libraries or package:
        found["libraries"] = "; ".join([*libraries, *package])
    data = [change for change in changes.of_kind("data") if change.phase in made.phases]
    learned = [change for change in data if "column" in change.details and made.concerns(change.subject)]
    whole = [change for change in data if "rows" in change.details]
    if learned or whole:
        told = [change.says for change in learned[:3]] or [change.says for change in whole[-1:]]
        found["training data"] = f"the training data: {'; '.join(told)}"
    each = None if share is None or not found else share / len(found)
    return [Suspect("model", subject, says, each) for subject, says in found.items()]


def drift_of_rows(store: Store, earlier: Record, later: Record) -> dict[str, float]:
    """Score the columns of the rows that two evaluations looked at; none where they are the same rows."""
    refs = [(record["inputs"].get("data") or [{}])[0] for record in (earlier, later)]
    if not all(refs) or refs[0]["digest"] == refs[1]["digest"]:
        return {}
    before, after = (DatasetRef(uri=ref["uri"], digest=ref["digest"], rows=ref["rows"]) for ref in refs)
    return score_datasets(store, before, after, threshold=DRIFTED).compared.scores


def importance_in(*runs: Run) -> dict[str, float]:
    """Give how much each column matters, from the first run whose `explain` says so."""
    for run in runs:
        for record in run.of_type("explain"):
            told = (record.get("details") or {}).get(_IMPORTANCE)
            flat = {
                name.partition(".")[2]: value
                for name, value in (record.get("metrics") or {}).items()
                if name.startswith(f"{_IMPORTANCE}.")
            }
            found = {name: float(value) for name, value in (told or flat).items() if isinstance(value, int | float)}
            if found:
                return found
    return {}
