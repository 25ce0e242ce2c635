"""Numbers of the business: what the workflow's own SQL computes over the rows of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.one_number import one_number
from mlops_provider.runtime.predictions import FAILED_STATUS
from mlops_provider.runtime.table import confine, connect, scan
from mlops_provider.verdicts import RuleResult

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.runtime.monitor.performance.measures import Measures


def measure_business(look: Look, found: Findings, measures: Measures, taken: Collection[str]) -> None:
    """Run every query, which reads nothing but `predictions`; one that fails is a warning and loses no other check.

    ConfigError where a name is taken.
    """
    metrics = look.config.checks.business
    for name in metrics:
        if name in taken:
            raise ConfigError(f"the monitor has a metric '{name}' already", hint="give yours another name")
    if not metrics or look.window is None:
        return
    if look.about.sampled:
        why = f"{look.about.kept:,} of {look.total:,} rows are kept as rows; raise window.kept for sums of the business"
        measures.missing |= dict.fromkeys(metrics, why)
        return
    with connect() as connection:
        confine(connection, look.store, [look.window])
        rows = f"SELECT * FROM {scan(look.store, look.window)} WHERE status < {FAILED_STATUS} AND NOT again"
        connection.execute(f"CREATE TEMP VIEW predictions AS {rows}")
        for name, metric in metrics.items():
            try:
                value = one_number(connection, metric.sql, f"'{name}'")
            except DataError as err:
                measures.missing[name] = err.message
                found.rules.append(RuleResult(rule=f"business.{name}", result="warned", why=err.message))
                continue
            if value is None:
                measures.missing[name] = f"{name} has no value on this window"
            else:
                measures.add({name: value}, len(look.answered))
