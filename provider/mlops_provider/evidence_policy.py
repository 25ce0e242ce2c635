"""Policies as gates: what a deployment requires before a release, and what it forbids, by the risk class of a product.

The file is YAML, as `high: {require: [evaluate.gates, explain.fairness, {approve: {approvals: 2}}], forbid:
[approve.author_may_approve, "release.strategy=all_at_once"]}`. The same rules are held against the phases of a workflow
file and against the records of a run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Risk = Literal["high", "limited", "minimal"]
RISKS: tuple[str, ...] = get_args(Risk)
PROVING = ("validate", "evaluate", "explain", "package", "test_service", "approve", "report")
"""Phase types that may be required; beside them a monitor."""
MONITOR = "monitor"
_OTHER_NAMES = {"explain.fairness": "explain.sensitive"}
_SHAPE = "a class has require: [...] and forbid: [...]"


@dataclass(frozen=True, slots=True)
class Rule:
    """A phase type and what its fields must be (numbers: at least), or with `field` and no value: that it is set."""

    text: str
    phase_type: str
    fields: tuple[tuple[str, Any], ...] = ()

    def fits(self, config: Mapping[str, Any]) -> bool:
        """Say whether a phase with these fields is what the rule means."""
        return all(_fits(config.get(name), wanted) for name, wanted in self.fields)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one risk class requires and forbids; `digest` is that of the file."""

    risk: str
    require: tuple[Rule, ...] = ()
    forbid: tuple[Rule, ...] = ()
    source: str = ""
    digest: str = ""


def read_policies(path: str | Path) -> dict[str, Policy]:
    """Read the policy file; ConfigError says what is wrong with it."""
    import yaml

    source = Path(path).expanduser()
    try:
        content = source.read_bytes()
        data = yaml.safe_load(content) or {}
    except (OSError, yaml.YAMLError) as err:
        raise ConfigError(
            f"the policies in {source} cannot be read: {err}", hint="[mlops] policies names a YAML file"
        ) from err
    if not isinstance(data, dict) or not set(data) <= set(RISKS):
        found = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
        raise ConfigError(f"{source} has {found}", hint=f"its keys are risk classes: {', '.join(RISKS)}")
    digest = hashlib.sha256(content).hexdigest()
    return {risk: _policy(risk, value, str(source), digest) for risk, value in data.items()}


def _policy(risk: str, value: Any, source: str, digest: str) -> Policy:
    given = value or {}
    if not isinstance(given, dict) or not set(given) <= {"require", "forbid"}:
        raise ConfigError(f"{source}: {risk} is not a policy", hint=_SHAPE)
    parts = {name: tuple(_rules(given.get(name) or [], f"{source}: {risk}.{name}")) for name in ("require", "forbid")}
    wrong = [rule.phase_type for rule in parts["require"] if rule.phase_type not in {*PROVING, MONITOR}]
    if wrong:
        known = ", ".join([*PROVING, MONITOR])
        raise ConfigError(f"{source}: {risk}.require has '{wrong[0]}', which proves nothing", hint=f"known: {known}")
    return Policy(risk, parts["require"], parts["forbid"], source, digest)


def _rules(given: Any, where: str) -> Iterator[Rule]:
    if not isinstance(given, list):
        raise ConfigError(f"{where} is not a list", hint=_SHAPE)
    for item in given:
        if isinstance(item, dict) and len(item) == 1:
            [(name, fields)] = item.items()
            if isinstance(fields, dict):
                text = f"{name} with {', '.join(f'{key}: {value}' for key, value in fields.items())}"
                yield Rule(text, str(name), tuple(fields.items()))
                continue
        if not isinstance(item, str):
            raise ConfigError(
                f"{where}: {item} is no rule", hint="write evaluate, evaluate.gates or {approve: {approvals: 2}}"
            )
        name, equals, value = item.partition("=")
        phase_type, _, field = _OTHER_NAMES.get(name.strip(), name.strip()).partition(".")
        fields = ((field, value.strip() if equals else _SET),) if field else ()
        yield Rule(item, phase_type, fields)


_SET = object()
"""Stands for any value but none, false and empty."""


def _fits(found: Any, wanted: Any) -> bool:
    if wanted is _SET:
        return bool(found)
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        return found == wanted or str(found) == str(wanted)
    return isinstance(found, int | float) and found >= wanted
