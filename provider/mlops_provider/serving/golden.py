"""Ask a server for the golden rows of a model: `python -m mlops_provider.serving.golden URL FOLDER`.

It needs no library beside the model's own, so that it runs inside of what was packaged.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from mlops_provider.store.frame import read_parquet
from mlops_provider.store.models import GOLDEN_FILE, PREDICTION_COLUMN, Signature
from mlops_provider.store.store import MANIFEST

_TOLERANCE, _SINGLE_TOLERANCE = 1e-9, 1e-5
_PAUSE = 0.2


def mismatches(url: str, folder: Path) -> tuple[int, int]:
    """Give how many golden rows a server answers otherwise than the model did in training, and of how many."""
    import numpy as np

    signature = Signature.from_dict(json.loads((folder / MANIFEST).read_text())["meta"]["signature"])
    golden = read_parquet(folder / GOLDEN_FILE)
    frame = golden[signature.names()]
    cells = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    body = {"dataframe_split": {"columns": signature.names(), "data": cells}}
    request = urllib.request.Request(  # noqa: S310 (the address of what was just started)
        f"{url}/invocations", json.dumps(body, default=_text).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 (as above)
        found = np.asarray(json.loads(response.read())["predictions"])
    expected: Any = golden[PREDICTION_COLUMN].to_numpy()
    expected = np.stack(list(expected)) if signature.labels else expected
    if expected.dtype.kind == "f":
        tolerance = _SINGLE_TOLERANCE if expected.dtype == np.float32 else _TOLERANCE
        same = np.isclose(found.astype(float), expected, rtol=tolerance, atol=tolerance)
    else:
        same = np.asarray(found == expected).reshape(len(expected), -1).all(axis=1)
    return int((~same).sum()), len(expected)


def wait_until_ready(url: str, seconds: float) -> None:
    """Wait until a server says that its model answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"{url}/ready", timeout=5).close()  # noqa: S310 (as above)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def main(arguments: list[str]) -> int:
    """Print how many golden rows are answered otherwise; 0 when none."""
    url, folder = arguments
    wait_until_ready(url, 60)
    wrong, rows = mismatches(url, Path(folder))
    sys.stdout.write(json.dumps({"mismatches": wrong, "rows": rows}) + "\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
