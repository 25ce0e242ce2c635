"""The phase contract: what every phase function takes and gives."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from mlops_provider.exceptions import ConfigError
from mlops_provider.store.store import Store, json_bytes
from mlops_provider.store.trust import DEFAULT_ALLOWED_IMPORTS, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_provider.refs import Ref
    from mlops_provider.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Where and for what a phase runs. JSON-able, so that it reaches containers and pods.

    `attempt` counts from 1. `data_root` is the folder or URL from which relative paths in the workflow file count.
    `item` is what a repeated phase works on; its label is part of the phase's name here, as in `model@north`.
    `reason` says why the run exists: the payload of the asset event that triggered it, or who triggered it.
    `at` is the time that the run is about, in ISO 8601: a scheduled run that starts late, or a backfill, looks at its
    own time and not at the wall's clock. Empty: the wall's clock.
    `base_image` and `image_repository` are the deployment's defaults of images.
    `policies` is the file of the deployment's policies.
    `place` says where the work is done: its runtime and the image or the requirements there.
    `connections` are the URLs of the databases that the phase reads, by connection id; they hold passwords, so that
    the JSON form, which is recorded, has none of them.
    """

    workflow: str
    run_id: str
    phase: str
    phase_type: str = ""
    attempt: int = 1
    store_url: str
    tracking_uri: str = ""
    data_root: str = ""
    owner: str = ""
    allowed_imports: tuple[str, ...] = DEFAULT_ALLOWED_IMPORTS
    trusted_types: tuple[str, ...] = ()
    base_image: str = ""
    image_repository: str = ""
    policies: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    item: dict[str, Any] = field(default_factory=dict)
    reason: dict[str, Any] = field(default_factory=dict)
    at: str = ""
    place: dict[str, Any] = field(default_factory=lambda: {"runtime": "inline"})
    connections: dict[str, str] = field(default_factory=dict, repr=False)

    def store(self) -> Store:
        """Open the store, with what the deployment trusts."""
        return Store(self.store_url, Trust(types=self.trusted_types, imports=self.allowed_imports))

    def locate(self, path: str) -> str:
        """Give the path or URL that a path of the workflow file means."""
        if "://" in path or path.startswith(("/", "~")) or not self.data_root:
            return path
        return f"{self.data_root.rstrip('/')}/{path}"

    def clock(self) -> datetime:
        """Give the time that the run is about, in UTC: what windows, cooldowns and quiet hours count from."""
        return datetime.fromisoformat(self.at or now()).astimezone(UTC)

    @property
    def run_key(self) -> str:
        """Key of the run's folder in the store."""
        return f"{self.workflow}/runs/{quote(self.run_id, safe='')}"

    @property
    def identity(self) -> str:
        """Name of this phase in this run, the same for every attempt: what makes a side effect happen once."""
        return f"{self.workflow}/{self.run_id}/{self.phase}"

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, without connections."""
        return {name: value for name, value in asdict(self).items() if name != "connections"}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RunContext:
        """Make a context from its JSON form."""
        names = {name: tuple(value[name]) for name in ("allowed_imports", "trusted_types") if name in value}
        return cls(**{**value, **names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a phase gives back.

    `metrics` are finite numbers; `verdict` is set by checkpoints; `summary` is Markdown for people; `details` is
    JSON that belongs in the record only.
    """

    outputs: dict[str, Ref] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    summary: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse metrics that are not finite."""
        bad = sorted(name for name, value in self.metrics.items() if not math.isfinite(value))
        if bad:
            raise ConfigError(f"metrics must be finite numbers: {', '.join(bad)}")


class PhaseUnfinishedError(BaseException):
    """Ends a try of a phase that has to wait, before there is a result to record: go on after some seconds.

    It is no `Exception`, so that nothing takes it for a failure.
    """

    def __init__(self, seconds: float, said: str) -> None:
        self.seconds = seconds
        self.said = said
        super().__init__(said)


Inputs = dict[str, "list[Ref]"]
"""Field of the spec -> the references that it names, in order."""


class PhaseFunction(Protocol):
    """The signature of `run` in every module of this package that is a phase."""

    def __call__(self, config: Any, inputs: Inputs, context: RunContext) -> Outcome:
        """Do the work."""
        ...


def one(inputs: Inputs, field: str, kind: type[Ref]) -> Any:
    """Give the single reference of an input field, checked for its kind."""
    refs: Sequence[Ref] = inputs.get(field, [])
    if len(refs) != 1 or not isinstance(refs[0], kind):
        found = ", ".join(ref.kind for ref in refs) or "nothing"
        raise ConfigError(f"input '{field}' must be one {kind.kind}, got {found}")
    return refs[0]


_PLAIN_LABEL = re.compile(r"[A-Za-z0-9_-]{1,40}")


def item_label(item: Mapping[str, Any]) -> str:
    """Give a name for an item that is the same in every try and fits a path: its values, or with a digest of them."""
    words = [str(value) for value in item.values()]
    if all(_PLAIN_LABEL.fullmatch(word) for word in words):
        return ".".join(words)
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", ".".join(words))[:30].strip("-")
    return f"{plain}-{hashlib.sha256(json_bytes(dict(item))).hexdigest()[:8]}"


def now() -> str:
    """Give the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
