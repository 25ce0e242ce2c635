"""Bad training data, found before anything is fitted: each error names columns, values and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mlops_provider.runtime.training_data import TrainingData
    from mlops_provider.store.models import Feature

_SHOWN = 5
_MOSTLY = 0.9
_FEW = 20
_GLANCE = 1000


def check_targets(frame: pd.DataFrame, targets: Sequence[str], where: str, *, may_be_constant: bool = False) -> None:
    """Refuse targets that are missing, infinite or the same in every row."""
    for name in targets:
        target = frame[name]
        if missing := int(target.isna().sum()):
            raise DataError(
                f"the target '{name}' is missing in {missing} of {len(frame)} rows of {where}",
                hint="drop them with a transform",
            )
        if not may_be_constant and bool((target == target.iloc[0]).all()):
            raise DataError(
                f"the target '{name}' is constant: every row of {where} says '{target.iloc[0]}'",
                hint="there is nothing to learn from one class; was the data filtered, or split by time?",
            )


def check_labels(frame: pd.DataFrame, targets: Sequence[str], where: str) -> None:
    """Refuse columns of a multilabel target that say anything but yes and no."""
    for name in targets:
        column = frame[name]
        wrong = ~column.isin([0, 1])
        if bool(wrong.any()):
            row = int(wrong.to_numpy().argmax())
            value = column.iloc[row]
            said = "missing" if value is None or value != value else f"'{value}'"  # noqa: PLR0124 (NaN)
            raise DataError(
                f"several targets are labels of yes and no, but '{name}' is {said} in row {row} of {where}",
                hint="give columns of 0 and 1 or of booleans",
            )


def check_features(
    frame: pd.DataFrame, features: Sequence[Feature], targets: Sequence[str], declared: Mapping[str, Any]
) -> None:
    """Refuse features that no model takes, or that give the answer away."""
    where = "the training data"
    dates = [feature.name for feature in features if feature.type == "timestamp" and feature.name not in declared]
    if dates:
        raise DataError(
            f"columns {', '.join(dates)} are timestamps",
            hint="put them in 'exclude', derive numbers first, or declare steps in 'preprocess.columns'",
        )
    check_infinite(frame, features, targets, where)
    for feature in features:
        if feature.type == "string" and feature.name not in declared:
            _check_text(frame[feature.name], where)
    for target in targets:
        for feature in features:
            if _equal(frame[feature.name], frame[target]):
                raise DataError(
                    f"the feature '{feature.name}' equals the target '{target}' in every row: the model would see the "
                    "answer",
                    hint="put it in 'exclude'",
                )


def check_infinite(frame: pd.DataFrame, features: Sequence[Feature], targets: Sequence[str], where: str) -> None:
    """Refuse infinite numbers, even where the estimator would take them: no request to a model can hold one."""
    import numpy as np
    import pandas.api.types as kinds

    counts: dict[str, int] = {}
    for name in [*(feature.name for feature in features), *targets]:
        if kinds.is_float_dtype(frame[name]):
            count = int(np.isinf(frame[name].to_numpy(dtype=float)).sum())
            counts |= {name: count} if count else {}
    if counts:
        shown = ", ".join(f"'{name}' in {count:,} rows" for name, count in list(counts.items())[:_SHOWN])
        more = f" and {len(counts) - _SHOWN} more columns" if len(counts) > _SHOWN else ""
        raise DataError(
            f"{where} has infinite values: {shown}{more}",
            hint="make them missing or finite with a transform, as in CASE WHEN isinf(x) THEN NULL ELSE x END",
        )


def check_known_classes(data: TrainingData) -> None:
    """Refuse classes among the rows that judge which the training rows never have."""
    if data.validation is None or len(data.targets) > 1:
        return
    target = data.validation.target
    if new := sorted(target[~target.isin(data.target.unique())].unique().tolist(), key=str):
        raise DataError(
            f"the validation data has classes that the training data lacks: {', '.join(map(str, new[:_SHOWN]))}",
            hint="divide by chance with 'stratify', or leave these rows out",
        )


def _check_text(column: pd.Series[Any], where: str) -> None:
    """Refuse a column that is text because of a few values, where nearly all are numbers."""
    numbers, text = _as_numbers(column)
    bad = numbers.isna() & text.notna()
    good = int(numbers.notna().sum())
    if not bool(bad.any()) or good < _MOSTLY * int(text.notna().sum()) or numbers.nunique() <= _FEW:
        return
    rows = [int(row) for row in bad.to_numpy().nonzero()[0]]
    shown = ", ".join(f"'{column.iloc[row]}' (row {row})" for row in rows[:_SHOWN])
    raise DataError(
        f"'{column.name}' in {where} is text because of {len(rows):,} of {len(column):,} values, the others are "
        f"numbers: {shown}",
        hint="mend them with a transform, as in TRY_CAST(x AS DOUBLE); if it is text, say so in 'preprocess.columns'",
    )


def _as_numbers(column: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Give the numbers in a text column and the text itself; only a glance where that shows no numbers."""
    import pandas as pd

    head = column.iloc[:_GLANCE]
    if not pd.to_numeric(head, errors="coerce").notna().any():
        column = head
    return pd.to_numeric(column, errors="coerce"), column


def _equal(feature: pd.Series[Any], target: pd.Series[Any]) -> bool:
    """Say whether two columns hold the same values; most differ within the first rows."""
    head = feature.iloc[:_GLANCE] == target.iloc[:_GLANCE]
    return bool(head.all()) and bool((feature == target).all())


def notes_on(frame: pd.DataFrame, features: Sequence[Feature]) -> list[str]:
    """Give what people should know of data that can be learned from nonetheless."""
    notes = []
    if len(features) > len(frame):
        notes.append(
            f"there are more features ({len(features):,}) than rows ({len(frame):,}): the model may learn the rows by "
            "heart"
        )
    empty = [feature.name for feature in features if bool(frame[feature.name].isna().all())]
    if empty:
        more = f" and {len(empty) - _SHOWN} more" if len(empty) > _SHOWN else ""
        notes.append(f"no row has a value of {', '.join(map(repr, empty[:_SHOWN]))}{more}: nothing is learned from it")
    words = [
        feature.name
        for feature in features
        if feature.type == "string" and feature.name not in empty and _all_numbers(feature)
    ]
    if words:
        notes.append(f"{', '.join(map(repr, words[:_SHOWN]))} is text, but every value is a number: is it a code?")
    return notes


def _all_numbers(feature: Feature) -> bool:
    import pandas as pd

    return bool(pd.to_numeric(pd.Series(list(feature.categories)), errors="coerce").notna().all())
