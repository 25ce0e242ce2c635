"""The quality of the window's values: what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.comparison import missing_shares
from mlops_provider.verdicts import RuleResult

if TYPE_CHECKING:
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

_SHOWN = 5


def check_quality(look: Look, found: Findings) -> None:
    """Judge the share of missing values of every feature."""
    shares = missing_shares(look.signature, look.answered)
    found.metrics["missing_share"] = max(shares.values(), default=0.0)
    check = look.config.checks.data_quality
    if check is None or check.missing is None:
        return
    worst = sorted(((share, name) for name, share in shares.items() if share > check.missing), reverse=True)
    more = f" and {len(worst) - _SHOWN} more" if len(worst) > _SHOWN else ""
    named = ", ".join(f"{name} {share:.0%}" for share, name in worst[:_SHOWN])
    if worst:
        why = f"missing in more than {check.missing:.0%} of the rows: {named}{more}"
    else:
        why = f"no feature is missing in more than {check.missing:.0%} of the rows"
    values = {name: share for share, name in worst[:_SHOWN]}
    found.rules.append(RuleResult(rule="data_quality", result="failed" if worst else "passed", why=why, values=values))
