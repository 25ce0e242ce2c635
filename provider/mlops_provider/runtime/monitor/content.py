"""The numbers of a monitor's report, as they were published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import NotFoundInStoreError

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

REPORT = "report.json"


def read_content(store: Store, report: str) -> dict[str, Any]:
    """Read report.json of a report by its URI; NotFoundInStoreError where it is gone."""
    try:
        return json.loads(store.files.read(f"{store.key(report)}/{REPORT}"))  # type: ignore[no-any-return]
    except FileNotFoundError as err:
        raise NotFoundInStoreError(report) from err
