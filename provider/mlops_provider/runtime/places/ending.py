"""How the process of a phase ended elsewhere, and which error that is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import CheckpointBlockedError, MlopsError, PlaceError, WorkFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.runtime.contract import RunContext

TERMINAL, USAGE, RETRYABLE = 1, 2, 75
"""Exit codes of `python -m mlops_provider.runtime`."""
KILLED = 137
_NOT_THERE = (126, 127)
_LONGEST = 4000


def result(context: RunContext, where: str, code: int, last: str, log: Sequence[str]) -> dict[str, Any]:
    """Give what the process returned in its last line; raise what it ended with.

    `where` names the place in messages, `log` is the end of its log.
    """
    if code:
        raise failure(context, where, code, log)
    try:
        value = json.loads(last)
        if isinstance(value, dict) and "record" in value:
            return value
    except ValueError:
        pass
    raise WorkFailedError(
        f"{where} ended without a result: {last[:200]!r}", hint="the last line of its output is the result"
    )


def failure(context: RunContext, where: str, code: int, log: Sequence[str]) -> MlopsError:
    """Give the error that an exit code stands for, with what the record or the log says."""
    recorded = _recorded(context)
    if recorded and recorded["type"] == CheckpointBlockedError.__name__:
        return CheckpointBlockedError(recorded["message"])
    said = (recorded["message"] if recorded else "\n".join(log).strip())[-_LONGEST:]
    if code == RETRYABLE:
        return PlaceError(said or f"{where} ended with exit code {code}")
    if code == TERMINAL and said:
        return WorkFailedError(said, hint=_hint(said))
    if code in {KILLED, -9}:
        return PlaceError(f"{where} was killed (exit code 137)", hint=OUT_OF_MEMORY)
    if code in _NOT_THERE:
        return WorkFailedError(f"{where} has no python3: {said}", hint=IMAGE)
    return WorkFailedError(f"{where} ended with exit code {code}: {said}", hint=_hint(said))


IMAGE = "use an image that package made with purpose: training"
OUT_OF_MEMORY = "by somebody, or by the kernel for want of memory: look at the machine, or ask for more"


def _hint(said: str) -> str:
    if "No module named mlops_provider" in said or "No module named 'mlops_" in said:
        return IMAGE
    return ""


def _recorded(context: RunContext) -> dict[str, Any] | None:
    """Give the error in the record of this attempt, where the process came so far as to write one."""
    try:
        text = context.store().files.read(f"{context.run_key}/{context.phase}/{context.attempt:04d}.json")
    except (OSError, MlopsError):
        return None
    record = json.loads(text)
    if record["status"] == "blocked":
        verdict = record["verdict"] or {"rules": []}
        reasons = "; ".join(_failures(verdict))
        return {"type": "CheckpointBlockedError", "message": f"{context.phase} is blocked: {reasons}"}
    found: dict[str, Any] | None = record.get("error")
    return found


def _failures(verdict: dict[str, Any]) -> list[str]:
    from mlops_provider.verdicts import Verdict

    return Verdict.from_dict(verdict).failures()
