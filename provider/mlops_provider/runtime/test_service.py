"""Phase `test_service`: the performance evaluation checkpoint on the running service."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ServiceError
from mlops_provider.refs import DatasetRef, ModelRef, ReportRef, ServiceRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import PREDICTION_COLUMN, LoadedModel, load_model
from mlops_provider.store.services import read_service
from mlops_provider.store.store import json_bytes
from mlops_provider.verdicts import Verdict, judge_gate

if TYPE_CHECKING:
    import httpx
    import pandas as pd

    from mlops_dag_factory.spec.test_service import TestServiceSpec

BATCH_ROWS = 500
TOKEN_VARIABLE = "MLOPS_SERVE_TOKEN"  # noqa: S105 (the name of the variable, not a secret)


def run(config: TestServiceSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Ask the service for its golden rows, for wrong things and for single rows; judge the gates."""
    import httpx

    service: ServiceRef = one(inputs, "service", ServiceRef)
    store = context.store()
    model = load_model(store, _model_ref(context, service))
    golden = model.golden()
    frame = read_frame(store, one(inputs, "data", DatasetRef)) if inputs.get("data") else golden
    token = os.environ.get(TOKEN_VARIABLE, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=service.url, timeout=30, headers=headers) as client:
        try:
            metrics: dict[str, float] = {"golden_mismatches": float(_golden_mismatches(client, model, golden))}
            broken = contract_failures(client, model, golden)
            metrics["contract_failures"] = float(len(broken))
            metrics |= _latency(client, model, frame, config.requests)
        except httpx.TransportError as err:
            raise ServiceError(f"{service.name} at {service.url} does not answer: {err}") from err
    verdict = Verdict.of(
        judge_gate(gate, metrics, champion=None, parameters=context.parameters) for gate in config.gates
    )
    lines = "\n".join(f"| {name} | {value:.4g} |" for name, value in metrics.items())
    summary = f"`{service.name}` version {service.version}.\n\n| metric | value |\n|---|---|\n{lines}\n\n"
    summary += "".join(f"- {sentence}\n" for sentence in broken) + verdict.to_markdown()
    with store.scratch() as folder:
        content = {"metrics": metrics, "contract": broken, "verdict": verdict.to_dict()}
        (folder / "report.json").write_bytes(json_bytes(content))
        (folder / "report.md").write_text(f"# {context.workflow}: {context.phase}\n\n{summary}")
        meta = {"lineage": {"service": service.name, "model": service.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    report = ReportRef(uri=published.uri, digest=published.digest)
    return Outcome(outputs={"report": report}, metrics=metrics, verdict=verdict, summary=summary)


def _model_ref(context: RunContext, service: ServiceRef) -> ModelRef:
    workflow, _, environment = service.name.partition("/")
    for version in read_service(context.store(), workflow, environment).versions:
        if version.model.digest == service.digest:
            return version.model
    raise ServiceError(f"{service.name} no longer runs version {service.version}")


def _body(frame: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Give MLflow's body, with every digit of the numbers; missing values become null."""
    chosen = frame[names]
    cells = chosen.astype(object).where(chosen.notna(), None).to_numpy().tolist()
    return {"dataframe_split": {"columns": names, "data": cells}}


def _golden_mismatches(client: httpx.Client, model: LoadedModel, golden: pd.DataFrame) -> int:
    """Count golden rows that the service answers otherwise than the model did when it was trained."""
    import numpy as np

    response = client.post("/invocations", json=_body(golden, model.signature.names()))
    if response.is_error:
        return len(golden)
    found, expected = np.asarray(response.json()["predictions"]), golden[PREDICTION_COLUMN].to_numpy()
    if expected.dtype.kind == "f":
        return int((~np.isclose(found.astype(float), expected, rtol=1e-9, atol=1e-9)).sum())
    return int((found != expected).sum())


def contract_failures(client: httpx.Client, model: LoadedModel, golden: pd.DataFrame) -> list[str]:
    """Send what clients get wrong; give a sentence for each answer that is not what it should be."""
    names = model.signature.names()
    row = golden.head(1)
    right = client.post("/invocations", json=_body(row, names)).json().get("predictions")
    failures = []
    reordered = client.post("/invocations", json=_body(row, names[::-1]))
    if reordered.is_error or reordered.json().get("predictions") != right:
        failures.append(f"features in another order gave {reordered.status_code} {reordered.text[:100]}")
    fewer, more = _body(row, names[1:]), _body(row.assign(not_a_feature=1), [*names, "not_a_feature"])
    wrong = _body(row, names)
    wrong["dataframe_split"]["data"][0][0] = {"not": "a value"}
    cases: dict[str, Any] = {
        "a missing feature": fewer,
        "an unknown feature": more,
        "a wrong type": wrong,
        "no rows": {},
    }
    for what, body in cases.items():
        response = client.post("/invocations", json=body)
        if not 400 <= response.status_code < 500:  # noqa: PLR2004 (the client's fault)
            failures.append(f"{what} gave {response.status_code}")
    malformed = client.post("/invocations", content=b"{", headers={"content-type": "application/json"})
    if not 400 <= malformed.status_code < 500:  # noqa: PLR2004 (the client's fault)
        failures.append(f"malformed JSON gave {malformed.status_code}")
    return failures


def _latency(client: httpx.Client, model: LoadedModel, frame: pd.DataFrame, requests: int) -> dict[str, float]:
    """Measure single-row requests one after the other, and the throughput in larger batches."""
    import numpy as np

    names = model.signature.names()
    bodies = [_body(frame.iloc[[i % len(frame)]], names) for i in range(min(requests, len(frame)))]
    milliseconds, errors = [], 0
    for i in range(requests):
        started = time.perf_counter()
        response = client.post("/invocations", json=bodies[i % len(bodies)])
        milliseconds.append((time.perf_counter() - started) * 1000)
        errors += response.is_error
    batch = _body(frame.head(BATCH_ROWS), names)
    started = time.perf_counter()
    errors += client.post("/invocations", json=batch).is_error
    rows = len(batch["dataframe_split"]["data"]) / (time.perf_counter() - started)
    p50, p95, p99 = (float(np.percentile(milliseconds, share)) for share in (50, 95, 99))
    return {
        "error_rate": errors / (requests + 1),
        "latency_p50_ms": p50,
        "latency_p95_ms": p95,
        "latency_p99_ms": p99,
        "throughput_rps": 1000 * requests / sum(milliseconds),
        "rows_per_second": rows,
    }
