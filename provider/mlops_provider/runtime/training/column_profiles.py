"""The profiles that monitors compare with: of all training rows, and of the model's answers to a sample of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.columns.kinds import kind_of, prediction_kind
from mlops_provider.runtime.columns.scan import profile_columns
from mlops_provider.runtime.table import connect, scan
from mlops_provider.store.models import PREDICTION_COLUMN

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.columns.profile import ColumnProfile, Kind
    from mlops_provider.runtime.training_data import TrainingData
    from mlops_provider.store.models import Signature
    from mlops_provider.store.store import Store


def training_profiles(
    store: Store, data: TrainingData, signature: Signature, sample: pd.DataFrame, answers: Any
) -> dict[str, ColumnProfile]:
    """Profile features and targets of all training rows, and under PREDICTION_COLUMN the answers to the sample.

    Answering every row could take as long as the training.
    """
    kinds: dict[str, Kind] = {feature.name: kind_of(feature, len(data.frame)) for feature in signature.features}
    classes = signature.task in {"classification", "multilabel"}
    kinds |= dict.fromkeys(signature.targets(), "category" if classes else "number")
    answered = prediction_kind(signature)
    with store.scratch() as spill, connect(spill) as connection:
        found = profile_columns(connection, scan(store, data.ref), kinds)
        if answered:
            connection.register("mlops_answers", sample[[]].assign(**{PREDICTION_COLUMN: answers}))
            found |= profile_columns(connection, "mlops_answers", {PREDICTION_COLUMN: answered})
    return found
