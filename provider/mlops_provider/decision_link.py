"""Signed links: the right of one person to one decision, for those who have only their mail open.

The token names the question (with the digest of its evidence) and the person, is signed with `[mlops] link_key`, and
ends with the question's time. It serves once, because a person answers once: the audit chain keeps its id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, LinkError

if TYPE_CHECKING:
    from mlops_provider.runtime.approval.request import Request

_ALGORITHM = "HS256"
_AUDIENCE = "mlops.approval"
_SHORTEST_KEY = 32
_LONGEST = timedelta(days=30)
"""How long a link serves where the question has no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a link says: which question on which evidence, and whose link it is; `id` is the token's digest."""

    workflow: str
    run: str
    phase: str
    request: str
    evidence: str
    user: str
    id: str


def link_for(request: Request, user: str) -> str:
    """Give the address with which a person decides; '' without a key, or where the person was not asked by name."""
    from mlops_provider.console.links import decision_address

    keys = link_keys()
    return decision_address(sign(request, user, keys[0])) if keys and user in request.deciders() else ""


def sign(request: Request, user: str, key: str) -> str:
    """Make the token of a person."""
    import jwt

    until = datetime.fromisoformat(request.until) if request.until else datetime.now(UTC) + _LONGEST
    claims = {
        "aud": _AUDIENCE,
        "exp": until,
        "sub": user,
        "w": request.workflow,
        "r": request.run,
        "p": request.phase,
        "q": request.digest,
        "e": request.evidence,
    }
    return jwt.encode(claims, key, algorithm=_ALGORITHM)


def read_link(token: str, keys: tuple[str, ...]) -> Claims:
    """Check a token's signature and time with any of the keys; LinkError says what is wrong."""
    import jwt

    if not keys:
        raise LinkError("this deployment takes no links: [mlops] link_key is not set")
    for key in keys:
        try:
            said: dict[str, Any] = jwt.decode(token, key, algorithms=[_ALGORITHM], audience=_AUDIENCE)
        except jwt.InvalidSignatureError:
            continue
        except jwt.ExpiredSignatureError as err:
            raise LinkError("this link is over: the time for the decision has ended") from err
        except jwt.InvalidTokenError as err:
            raise LinkError("this is no link of ours: it was cut or changed") from err
        fields = {"workflow": "w", "run": "r", "phase": "p", "request": "q", "evidence": "e", "user": "sub"}
        named = {name: str(said[short]) for name, short in fields.items()}
        return Claims(**named, id=hashlib.sha256(token.encode()).hexdigest())
    raise LinkError("this link was changed, or signed with another key")


def link_keys() -> tuple[str, ...]:
    """Give the keys of `[mlops] link_key`: the first signs, all are taken, so that a key can be replaced."""
    from airflow.sdk import conf

    text = str(conf.get("mlops", "link_key", fallback="") or "")
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if any(len(key) < _SHORTEST_KEY for key in keys):
        raise ConfigError(
            f"[mlops] link_key is shorter than {_SHORTEST_KEY} characters",
            hint="python -c 'import secrets; print(secrets.token_urlsafe(48))'",
        )
    return keys
