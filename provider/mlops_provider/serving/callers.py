"""Callers: who asks, and which services they may use. API keys by their digests, or signed tokens (JWT).

A key is long and random, so that a plain SHA-256 of it tells nothing; the file holds digests only. It is read again
when it changes. A token is verified by PyJWT: signature, audience, issuer and expiry, with the algorithms that the
deployment names and no others.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.serving.answers import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

KEYS_VARIABLE = "MLOPS_SERVE_KEYS"
_LOOK_SECONDS = 1.0
_CACHED_SECONDS = 60.0
_CACHED = 10_000
_SECRET_BYTES = 32
_DIGITS = 64
_HINT = "send 'Authorization: Bearer <key>' or 'X-API-Key: <key>'"
_ALGORITHMS = {
    "HS": frozenset({"HS256", "HS384", "HS512"}),
    "RS": frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "PS256"}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; `services` are patterns such as 'camera/*'."""

    name: str
    services: tuple[str, ...] = ("*",)

    def may(self, service: str) -> bool:
        """Say whether the caller may use a service."""
        return any(fnmatchcase(service, pattern) for pattern in self.services)

    def require(self, service: str) -> None:
        """Refuse with 403 what the caller may not use."""
        if not self.may(service):
            raise RefusedError(403, f"'{self.name}' may not use {service}", f"it may use: {', '.join(self.services)}")


ANYONE = Caller("")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """How signed tokens are verified: `key` is the secret (HS) or the public key in PEM (RS, ES, PS)."""

    algorithms: tuple[str, ...]
    audience: str
    key: str = field(repr=False)
    issuer: str = ""

    @classmethod
    def read(cls, path: Path) -> TokenRules:
        """Read a JSON file: algorithms, audience, issuer (optional), key_file (relative to it)."""
        content = _json(path.read_text(), str(path))
        try:
            key = (path.parent / content["key_file"]).read_text().strip()
            rules = cls(
                algorithms=tuple(content["algorithms"]),
                audience=content["audience"],
                issuer=content.get("issuer", ""),
                key=key,
            )
        except (KeyError, TypeError, OSError) as err:
            raise ConfigError(
                f"{path} is not usable: {err}", hint="it has algorithms, audience, key_file and perhaps issuer"
            ) from err
        rules.check(str(path))
        return rules

    def check(self, where: str) -> None:
        """Refuse algorithms that are unknown or of two kinds, and secrets that can be guessed."""
        kinds = [kind for kind, names in _ALGORITHMS.items() if set(self.algorithms) <= names]
        if not self.algorithms or not kinds or not self.audience:
            allowed = "; or ".join(", ".join(sorted(names)) for names in _ALGORITHMS.values())
            raise ConfigError(f"{where}: algorithms of one kind and an audience are needed", hint=f"allowed: {allowed}")
        if kinds == ["HS"] and ("-----BEGIN" in self.key or len(self.key) < _SECRET_BYTES):
            raise ConfigError(f"{where}: the secret is shorter than {_SECRET_BYTES} characters, or is a public key")


class Callers:
    """Knows callers by key or token; without both, anyone may ask."""

    def __init__(
        self, *, keys_file: Path | None = None, keys: str = "", token: str = "", rules: TokenRules | None = None
    ) -> None:
        self._file = keys_file
        self._rules = rules
        self._fixed = _entries(keys, f"the variable {KEYS_VARIABLE}") if keys else {}
        if token:
            self._fixed[hashlib.sha256(token.encode()).hexdigest()] = (Caller("token"), 0.0)
        self._known = dict(self._fixed)
        self._read_at = self._looked_at = 0.0
        self._tokens: dict[bytes, tuple[Caller, float]] = {}
        if keys_file:
            self._known = self._fixed | _entries(keys_file.read_text(), str(keys_file))
            self._read_at = keys_file.stat().st_mtime
        self.open = not (keys_file or self._known or rules)

    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Say who asks; refuse with 401 whom nobody knows."""
        if self.open:
            return ANYONE
        given = headers.get(b"x-api-key", b"")
        if not given:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer":
                given = b""
        if not given:
            raise _unknown("a key is needed")
        self._look()
        found = self._known.get(hashlib.sha256(given).hexdigest())
        if found:
            caller, expires = found
            if expires and time.time() > expires:
                raise _unknown(f"the key of '{caller.name}' has expired")
            return caller
        if self._rules and given.count(b".") == 2:  # noqa: PLR2004 (head, claims, signature)
            return self._verified(given, self._rules)
        raise _unknown("this key is not known")

    def _look(self) -> None:
        """Read the file of keys again when it has changed; a damaged one changes nothing."""
        now = time.monotonic()
        if self._file is None or now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            changed = self._file.stat().st_mtime
            if changed != self._read_at:
                self._known = self._fixed | _entries(self._file.read_text(), str(self._file))
                self._read_at = changed
        except (OSError, ConfigError):
            return

    def _verified(self, token: bytes, rules: TokenRules) -> Caller:
        digest, now = hashlib.sha256(token).digest(), time.time()
        known = self._tokens.get(digest)
        if known and now < known[1]:
            return known[0]
        import jwt

        try:
            claims = jwt.decode(
                token.decode("latin-1"),
                rules.key,
                algorithms=list(rules.algorithms),
                audience=rules.audience,
                issuer=rules.issuer or None,
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWTError as err:
            raise _unknown(f"the token is not valid: {err}") from err
        words = str(claims.get("scope", "")).split()
        services = tuple(word.removeprefix("predict:") for word in words if word.startswith("predict:"))
        caller = Caller(str(claims["sub"])[:64], services)
        if len(self._tokens) >= _CACHED:
            self._tokens.clear()
        self._tokens[digest] = (caller, min(float(claims["exp"]), now + _CACHED_SECONDS))
        return caller


def new_key(name: str, services: Iterable[str] = ("*",)) -> tuple[str, dict[str, Any]]:
    """Make a key; give it, and its entry for the file of keys."""
    import secrets

    key = f"mk_{secrets.token_urlsafe(32)}"
    return key, {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "services": list(services)}


def keys_from_environment() -> str:
    """Give the text of the variable that holds keys, or ''."""
    return os.environ.get(KEYS_VARIABLE, "")


def _entries(text: str, where: str) -> dict[str, tuple[Caller, float]]:
    """Read keys: a JSON list of {name, sha256, services, expires}; the last two may be left out."""
    from datetime import datetime

    found: dict[str, tuple[Caller, float]] = {}
    content = _json(text, where)
    if not isinstance(content, list):
        raise ConfigError(f"{where} is not a list of keys", hint="mlops serve-key NAME makes an entry")
    for i, entry in enumerate(content):
        try:
            digest, services = str(entry["sha256"]).lower(), entry.get("services", ["*"])
            expires = datetime.fromisoformat(entry["expires"]).timestamp() if entry.get("expires") else 0.0
            name = str(entry["name"])
        except (KeyError, TypeError, AttributeError, ValueError) as err:
            raise ConfigError(
                f"{where}: entry {i} is not usable: {err}", hint="mlops serve-key NAME makes an entry"
            ) from err
        if len(digest) != _DIGITS or not isinstance(services, list) or not all(isinstance(s, str) for s in services):
            raise ConfigError(f"{where}: entry {i} ('{name}') has no SHA-256 or no list of services")
        found[digest] = (Caller(name, tuple(services)), expires)
    return found


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as err:
        raise ConfigError(f"{where} is not JSON: {err}") from err


def _unknown(message: str) -> RefusedError:
    return RefusedError(401, message, _HINT, headers=((b"www-authenticate", b"Bearer"),))
