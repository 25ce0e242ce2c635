"""Phase `test_service`: the performance evaluation checkpoint on the running service."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mlops_provider.exceptions import DataError, ServiceError
from mlops_provider.refs import DatasetRef, ReportRef, ServiceRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.service_test.cases import try_cases
from mlops_provider.runtime.service_test.champion import Rival, find_rival
from mlops_provider.runtime.service_test.endpoint import Endpoint
from mlops_provider.runtime.service_test.fuzz import fuzz
from mlops_provider.runtime.service_test.load import at_once, in_turn, rows_per_second
from mlops_provider.runtime.service_test.page import summary_of, write_report
from mlops_provider.runtime.service_test.parity import golden_mismatches
from mlops_provider.runtime.service_test.soak import soak
from mlops_provider.runtime.service_test.tested import Tested
from mlops_provider.runtime.sql import require_columns
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import LoadedModel, Signature, load_model
from mlops_provider.store.services import ServedVersion, Service, read_service

if TYPE_CHECKING:
    import httpx
    import pandas as pd

    from mlops_dag_factory.spec.test_service import TestServiceSpec

TOKEN_VARIABLE = "MLOPS_SERVE_TOKEN"  # noqa: S105 (the name of the variable, not a secret)


def run(config: TestServiceSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Ask the service for its golden rows, for wrong things, for single rows beside the champion; judge the gates.

    ServiceError: it does not answer at all. What goes wrong later stands in the verdict.
    """
    service: ServiceRef = one(inputs, "service", ServiceRef)
    store = context.store()
    workflow, _, environment = service.name.partition("/")
    state = read_service(store, workflow, environment)
    version = _version(state, service)
    model = load_model(store, version.model)
    rival = find_rival(store, service, state) if config.compare_to == "champion" else Rival(None, None, _NOT_ASKED)
    frame = _rows(config, inputs, context, model)
    shared = rival.shared or len(state.versions) > 1
    with ExitStack() as stack:
        client = stack.enter_context(_client(service.url, config))
        endpoint = Endpoint(client, workflow, version.version, model.signature, versioned=shared)
        _require_alive(endpoint, service)
        other = None
        if rival.url and rival.version:
            signature = Signature.from_dict(store.open(rival.version.model).meta["signature"])
            other_client = stack.enter_context(_client(rival.url, config))
            other = Endpoint(other_client, workflow, rival.version.version, signature, versioned=shared)
            if lacking := [name for name in signature.names() if name not in frame]:
                other, rival = None, Rival(None, None, f"{rival.note}, but the rows lack its column '{lacking[0]}'")
        title = f"version {version.version}"
        found = Tested(version=title, rival=_named(rival), note=f"{title} of {service.name}; {rival.note}")
        _measure(config, endpoint, other, model.golden(), frame, found)
    found.judge(config.gates, context.parameters)
    summary = summary_of(found)
    with store.scratch() as folder:
        write_report(folder, f"{context.workflow}: {context.phase}", found, summary)
        meta = {"lineage": {"service": service.name, "model": service.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "reports", folder, meta)
    champion = {f"champion.{name}": value for name, value in (found.champion or {}).items()}
    return Outcome(
        outputs={"report": ReportRef(uri=published.uri, digest=published.digest)},
        metrics=found.metrics | champion,
        verdict=found.verdict,
        summary=summary,
    )


_NOT_ASKED = "no comparison was asked for"


def _measure(
    config: TestServiceSpec,
    endpoint: Endpoint,
    other: Endpoint | None,
    golden: pd.DataFrame,
    frame: pd.DataFrame,
    found: Tested,
) -> None:
    """Ask for everything, one part after another; a service that died is not asked for the rest."""
    mismatches, first = golden_mismatches(endpoint, golden)
    found.metrics["golden_mismatches"] = float(mismatches)
    found.troubles += [first] if first else []
    found.cases = try_cases(endpoint, golden)
    within = config.within.total_seconds()
    if config.fuzz:
        made, left_out = fuzz(endpoint, config.fuzz, time.monotonic() + within)
        found.cases += made
        found.left_out += [left_out] if left_out else []
    for kind in ("contract", "robustness"):
        failed = [case for case in found.cases if case.kind == kind and not case.passed]
        found.metrics[f"{kind}_failures"] = float(len(failed))
    sides = [endpoint, *([other] if other else [])]
    series = in_turn(sides, frame, config.requests, time.monotonic() + within)
    found.turns = series[0]
    found.metrics |= found.turns.metrics()
    found.troubles += found.turns.troubles("one after the other")
    if other:
        found.rival_turns = series[1]
        found.champion = found.rival_turns.metrics() | rows_per_second(other, frame)
        found.left_out += found.rival_turns.troubles("the champion")
    if len(found.turns) < config.requests and not found.turns.dead:
        found.left_out.append(f"after {within:g} s {len(found.turns):,} of {config.requests:,} requests were made")
    if found.turns.dead:
        found.left_out.append("what comes after was not measured: the service does not answer")
        return
    found.metrics |= rows_per_second(endpoint, frame)
    for level in config.concurrency:
        until = time.monotonic() + within
        found.levels[level] = at_once(endpoint, frame, threads=level, requests=config.requests, until=until)
        found.metrics |= found.levels[level].metrics(f"_at_{level}")
        found.troubles += found.levels[level].troubles(f"{level} at once")
    if config.soak is not None:
        threads = max(config.concurrency, default=1)
        found.soaked = soak(endpoint, frame, seconds=config.soak.total_seconds(), threads=threads)
        found.metrics |= found.soaked.metrics()
        found.troubles += found.soaked.series.troubles("in the soak")
        if not found.soaked.memory:
            found.left_out.append("the server's /metrics do not say its memory: its growth was not measured")
    else:
        found.left_out.append("there was no soak")


def _require_alive(endpoint: Endpoint, service: ServiceRef) -> None:
    import httpx

    try:
        endpoint.client.get("/ready")
    except httpx.TransportError as err:
        raise ServiceError(f"{service.name} at {service.url} does not answer: {err}") from err


def _client(url: str, config: TestServiceSpec) -> httpx.Client:
    import httpx

    token = os.environ.get(TOKEN_VARIABLE, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(base_url=url, timeout=config.answer_within.total_seconds(), headers=headers, limits=limits)


def _named(rival: Rival) -> str:
    return f"champion (version {rival.version.version})" if rival.version else ""


def _rows(config: TestServiceSpec, inputs: Inputs, context: RunContext, model: LoadedModel) -> pd.DataFrame:
    """Give the rows to send: of the data, at most as many as requests, or the golden ones."""
    if not inputs.get("data"):
        return model.golden()
    frame = read_frame(context.store(), one(inputs, "data", DatasetRef))
    require_columns(frame.columns, model.signature.names(), "the data")
    if frame.empty:
        raise DataError("the data has no rows to send")
    return frame.head(config.requests)


def _version(state: Service, service: ServiceRef) -> ServedVersion:
    for version in state.versions:
        if version.model.digest == service.digest:
            return version
    raise ServiceError(f"{service.name} no longer runs version {service.version}")
