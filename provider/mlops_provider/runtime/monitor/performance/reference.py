"""What a version was like when it was made: the rows that it was evaluated on, and what it answered to them."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from mlops_provider.exceptions import DataError, MlopsError, NotFoundInStoreError
from mlops_provider.refs import DatasetRef, ref_from_dict
from mlops_provider.runtime.answers import Answers
from mlops_provider.runtime.explanation.sample import sample_rows
from mlops_provider.runtime.records import run_records
from mlops_provider.store.models import PREDICTION_COLUMN, load_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.store.models import LoadedModel

MOST_ROWS = 10_000


@contextmanager
def asking_the_model() -> Iterator[None]:
    """Make a DataError of whatever a model raises here, far from where it was trained: the other checks go on."""
    try:
        yield
    except MlopsError:
        raise
    except Exception as err:
        raise DataError(f"the model fails here: {type(err).__name__}: {' '.join(str(err).split())[:300]}") from err


@dataclass
class Reference:
    """The version of a look as it was when it was made; everything is read when it is asked for, once."""

    look: Look

    @cached_property
    def model(self) -> LoadedModel:
        """The model, in memory; MlopsError where it cannot be loaded here."""
        with asking_the_model():
            return load_model(self.look.store, self.look.served.model)

    @cached_property
    def evaluated(self) -> tuple[pd.DataFrame, Answers] | None:
        """At most 10,000 of the rows that it was evaluated on, with its answers to them; None where there are none.

        They are those of a phase `evaluate` in the run that trained it.
        """
        data = self._data()
        if data is None:
            return None
        frame = sample_rows(self.look.store, data, self.look.signature, MOST_ROWS, seed=0)
        with asking_the_model():
            return frame, Answers.of(self.model, frame)

    @cached_property
    def rows(self) -> tuple[pd.DataFrame, Answers, str]:
        """Labelled rows with answers, and in words what they are: those of the evaluation, else of the training."""
        try:
            found = self.evaluated
        except MlopsError:
            found = None
        if found is not None:
            return *found, f"{len(found[0]):,} rows that the model was evaluated on"
        frame = self.model.baseline().drop(columns=PREDICTION_COLUMN)
        with asking_the_model():
            return frame, Answers.of(self.model, frame), f"{len(frame):,} rows that the model was trained on"

    def _data(self) -> DatasetRef | None:
        """Find the dataset of the last evaluation of this model that ended well and whose data is still there."""
        look = self.look
        run_id = look.store.open(look.served.model).meta.get("lineage", {}).get("run_id", "")
        records = run_records(look.store, look.context.workflow, run_id) if run_id else []
        for record in reversed(records):
            models = [ref["uri"] for ref in record["inputs"].get("model", [])]
            if record["phase_type"] == "evaluate" and look.served.model.uri in models:
                ref = cast("DatasetRef", ref_from_dict(record["inputs"]["data"][0]))
                with suppress(NotFoundInStoreError):
                    look.store.open(ref)
                    return ref
        return None
