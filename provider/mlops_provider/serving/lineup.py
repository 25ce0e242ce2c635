"""The line-up: the models of one service that answer now, and which of them answers whom."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mlops_provider.serving.model import ServedModel

Role = Literal["primary", "canary", "shadow", "fallback"]
_SPACE = 2**64


@dataclass(frozen=True)
class Lineup:
    """What answers for a service; replaced whole, so that a request sees one line-up or the other.

    `served` share the traffic by weight. `shadow` is asked too and never heard. `alternate` stands by. `standby` says
    that nothing which the record gives traffic could be loaded, and what answers is the alternate or the previous one.
    """

    served: tuple[ServedModel, ...] = ()
    shadow: ServedModel | None = None
    alternate: ServedModel | None = None
    standby: bool = False

    @cached_property
    def primary(self) -> ServedModel | None:
        """The model with most of the traffic."""
        return max(self.served, key=lambda served: served.version.weight, default=None)

    @cached_property
    def _weighted(self) -> tuple[tuple[bytes, int, ServedModel], ...]:
        return tuple((s.version.version.encode(), s.version.weight, s) for s in self.served if s.version.weight > 0)

    def choose(self, key: str) -> ServedModel | None:
        """Give the model that answers a key, always the same one while the weights stay.

        Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): each version gets its share of the keys,
        whatever their order, and a version whose weight grows takes keys over without moving any other.
        """
        weighted = self._weighted
        if len(weighted) <= 1:
            return weighted[0][2] if weighted else self.primary
        encoded = key.encode()
        return max(weighted, key=lambda entry: _score(encoded, entry[0], entry[1]))[2]

    def named(self, version: str) -> ServedModel | None:
        """Give the model of a version that is in memory for requests."""
        return next((served for served in self.served if served.version.version == version), None)

    def role(self, served: ServedModel) -> Role:
        """Say what part a model of `served` plays."""
        if self.standby:
            return "fallback"
        return "primary" if served is self.primary else "canary"

    def models(self) -> list[ServedModel]:
        """Give all models in memory."""
        return [*self.served, *(model for model in (self.shadow, self.alternate) if model)]


def _score(key: bytes, version: bytes, weight: int) -> float:
    point = int.from_bytes(hashlib.blake2b(key, digest_size=8, key=version[:64]).digest(), "big")
    return -weight / math.log((point + 0.5) / _SPACE)
