"""An endpoint: one version of a running service, and what came back of a request, whatever that is."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx
    import pandas as pd

    from mlops_provider.store.models import Signature

_SHOWN = 160
_OK = 200
_REFUSALS = range(400, 500)
_DATATYPES = {"float": "FP64", "integer": "FP64", "boolean": "BOOL", "string": "BYTES", "timestamp": "BYTES"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request got: `status` is 0 where nothing came; `trouble` says in words what is wrong with an answer.

    `at` is when it was sent, in seconds of the monotonic clock; `ms` how long it took.
    """

    status: int
    ms: float
    at: float
    predictions: list[Any] | None = None
    trouble: str = ""

    @property
    def answered(self) -> bool:
        """Say whether predictions came, all of them whole."""
        return not self.trouble

    @property
    def refused(self) -> bool:
        """Say whether the service called it the client's fault."""
        return self.status in _REFUSALS

    def said(self) -> str:
        """Give what came back, in a few words."""
        return self.trouble or f"{self.status}, predictions {str(self.predictions)[:_SHOWN]}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A version of a service. `versioned`: others answer there too, so that it is asked by its own path."""

    client: httpx.Client
    workflow: str
    version: str
    signature: Signature
    versioned: bool = False

    def rows(self, frame: pd.DataFrame, names: list[str] | None = None) -> dict[str, Any]:
        """Give the body for rows, with every digit of the numbers; missing values become null, times text."""
        names = names or self.signature.names()
        chosen = frame[names]
        cells = chosen.astype(object).where(chosen.notna(), None).to_numpy().tolist()
        cells = [[value.isoformat() if hasattr(value, "isoformat") else value for value in row] for row in cells]
        if not self.versioned:
            return {"dataframe_split": {"columns": names, "data": cells}}
        types = {feature.name: _DATATYPES[feature.type] for feature in self.signature.features}
        columns = zip(*cells, strict=True)
        return {
            "inputs": [
                {"name": name, "shape": [len(cells)], "datatype": types.get(name, "FP64"), "data": list(column)}
                for name, column in zip(names, columns, strict=True)
            ]
        }

    def ask(self, body: Any, *, count: int | None = None) -> Reply:
        """Send a body, bytes as they are; `count` is how many predictions must come."""
        import httpx

        path = f"/v2/models/{self.workflow}/versions/{self.version}/infer" if self.versioned else "/invocations"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        started = time.perf_counter()
        at = time.monotonic()
        try:
            response = self.client.post(path, content=content, headers={"content-type": "application/json"})
        except httpx.TimeoutException:
            ms = (time.perf_counter() - started) * 1000
            return Reply(0, ms, at, trouble=f"no answer within {self.client.timeout.read or 0:g} s")
        except httpx.TransportError as err:
            return Reply(
                0, (time.perf_counter() - started) * 1000, at, trouble=f"no answer: {err or type(err).__name__}"
            )
        ms = (time.perf_counter() - started) * 1000
        if response.status_code != _OK:
            return Reply(response.status_code, ms, at, trouble=_status(response))
        return self._read(response, ms, at, count)

    def _read(self, response: httpx.Response, ms: float, at: float, count: int | None) -> Reply:
        try:
            content = response.json()
            found = _predictions(content, len(self.signature.labels)) if self.versioned else content["predictions"]
        except (ValueError, KeyError, TypeError, IndexError):
            text = response.text[:_SHOWN]
            return Reply(_OK, ms, at, trouble=f"200, but what came is no JSON with predictions: {text!r}")
        if not isinstance(found, list) or (count is not None and len(found) != count):
            number = len(found) if isinstance(found, list) else "no list of"
            return Reply(_OK, ms, at, trouble=f"200, but {number} predictions for {count} rows")
        if any(value is None or (isinstance(value, float) and not math.isfinite(value)) for value in _flat(found)):
            return Reply(_OK, ms, at, trouble="200, but a prediction is NaN, infinite or missing")
        return Reply(_OK, ms, at, predictions=found)


def _predictions(content: Any, labels: int) -> list[Any]:
    data: list[Any] = next(output["data"] for output in content["outputs"] if output["name"] == "predict")
    return [data[i : i + labels] for i in range(0, len(data), labels)] if labels else data


def _flat(found: list[Any]) -> list[Any]:
    return [value for row in found for value in row] if found and isinstance(found[0], list) else found


def _status(response: httpx.Response) -> str:
    try:
        name = HTTPStatus(response.status_code).phrase
    except ValueError:
        name = "unknown status"
    return f"{response.status_code} {name}: {' '.join(response.text.split())[:_SHOWN]}"
