"""A container registry over HTTP: the pull and push halves of the OCI Distribution Specification 1.1.

What is pulled is checked against its digest. What is pushed goes blob by blob, the manifest last: a push that was cut
short leaves no image. Sources: https://github.com/opencontainers/distribution-spec, and Docker's token protocol.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from mlops_provider.exceptions import ConfigError, ImageError, ImageRegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from mlops_provider.runtime.images.reference import ImageName

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_PIECE = 1 << 20
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _BROKEN = 401, 403, 404, 429, 500
_LOCAL = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


class Registry:
    """One repository of a registry. `address` is `scheme://user:password@host` of a connection, or empty.

    Without an address the registry is spoken to by HTTPS, on this machine by HTTP, and without a name.
    """

    def __init__(self, name: ImageName, address: str = "") -> None:
        import httpx

        given = urlsplit(address)
        if given.hostname and (given.netloc.rpartition("@")[2] != name.registry):
            given = urlsplit("")  # the connection is another registry's: its password is not for this one
        scheme = given.scheme or ("http" if _LOCAL.fullmatch(name.registry) else "https")
        self.name = name
        self._user = (unquote(given.username or ""), unquote(given.password or "")) if given.password else None
        self._token = ""
        self._client = httpx.Client(base_url=f"{scheme}://{name.registry}/v2/", timeout=60, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def manifest(self, reference: str) -> tuple[dict[str, Any], bytes]:
        """Give a manifest or an index by tag or digest, and its bytes."""
        accept = {"accept": ", ".join((*MANIFESTS, *INDEXES))}
        response = self._ask("GET", f"{self.name.repository}/manifests/{reference}", headers=accept)
        if reference.startswith("sha256:"):
            _check(response.content, reference, self.name)
        value: dict[str, Any] = json.loads(response.content)
        return value, response.content

    def pull_blob(self, digest: str, target: Path) -> None:
        """Write a blob into a file, checked; an attempt that is cut short leaves nothing under its name."""
        aside, sha256 = target.with_name(f".{target.name}"), hashlib.sha256()
        self._ask("HEAD", f"{self.name.repository}/blobs/{digest}")  # signs in, where that is needed
        with (
            self._client.stream("GET", f"{self.name.repository}/blobs/{digest}", headers=self._headers()) as response,
            aside.open("wb") as file,
        ):
            self._refuse(response, digest)
            for piece in response.iter_bytes(_PIECE):
                sha256.update(piece)
                file.write(piece)
        if f"sha256:{sha256.hexdigest()}" != digest:
            raise ImageRegistryError(
                f"{self.name.registry} gave other bytes than {digest[:19]} of {self.name.repository}"
            )
        aside.replace(target)

    def push_blob(self, digest: str, path: Path, *, mount: str = "") -> None:
        """Upload a blob unless the repository has it; `mount` is another repository there that may have it."""
        blob = f"{self.name.repository}/blobs"
        if not self._ask("HEAD", f"{blob}/{digest}", may_lack=True).is_error:
            return
        wanted = {"mount": digest, "from": mount} if mount else {}
        begun = self._ask("POST", f"{blob}/uploads/", params=wanted)
        if begun.status_code == 201:  # noqa: PLR2004 (mounted)
            return
        where = self._client.base_url.join(begun.headers["location"]).copy_merge_params({"digest": digest})
        headers = {"content-type": "application/octet-stream", "content-length": str(path.stat().st_size)}
        self._ask("PUT", str(where), content=path, headers=headers)

    def push_manifest(self, content: bytes, media_type: str, reference: str) -> None:
        """Upload a manifest under a tag or its digest: from now on the image is there."""
        self._ask("PUT", f"{self.name.repository}/manifests/{reference}", content=content,
                  headers={"content-type": media_type})  # fmt: skip

    def _ask(self, method: str, path: str, *, may_lack: bool = False, **request: Any) -> httpx.Response:
        import httpx

        try:
            response = self._send(method, path, **request)
            if response.status_code == _UNAUTHORIZED and self._sign_in(response.headers.get("www-authenticate", "")):
                response = self._send(method, path, **request)
        except httpx.TransportError as err:
            raise ImageRegistryError(f"registry {self.name.registry} does not answer: {err}") from err
        if not (may_lack and response.status_code == _NOT_FOUND):
            self._refuse(response, path)
        return response

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {**request.pop("headers", {}), **self._headers()}
        content = request.pop("content", None)
        pieces = content if content is None or isinstance(content, bytes) else _pieces(content)
        return self._client.request(method, path, headers=headers, content=pieces, **request)

    def _headers(self) -> dict[str, str]:
        return {"authorization": self._token} if self._token else {}

    def _sign_in(self, challenge: str) -> bool:
        """Answer a challenge, Basic or Bearer (a token of the server that it names); say whether that makes sense."""
        import httpx

        if challenge.lower().startswith("basic"):
            if self._user is None or self._token:
                return False
            self._token = next(httpx.BasicAuth(*self._user).sync_auth_flow(httpx.Request("GET", "http://x/"))).headers[
                "authorization"
            ]
            return True
        asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if not challenge.lower().startswith("bearer") or "realm" not in asked:
            return False
        scope = f"repository:{self.name.repository}:pull,push" if self._user else asked.get("scope", "")
        found = self._client.get(
            asked["realm"], params={"service": asked.get("service", ""), "scope": scope},
            auth=httpx.BasicAuth(*self._user) if self._user else None,
        )  # fmt: skip
        self._refuse(found, asked["realm"])
        token = found.json()
        self._token = f"Bearer {token.get('token') or token.get('access_token')}"
        return True

    def _refuse(self, response: httpx.Response, what: str) -> None:
        status, where = response.status_code, f"{self.name.registry}/{self.name.repository}"
        if not response.is_error:
            return
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise ConfigError(
                f"registry {self.name.registry} refuses access to {self.name.repository} ({status})",
                hint="name a connection with its user and password as 'conn_id'",
            )
        if status == _NOT_FOUND:
            raise ImageError(f"{where} has no {what.rpartition('/')[2]}", hint="is the name right, was it pushed?")
        if status == _TOO_MANY or status >= _BROKEN:
            raise ImageRegistryError(f"registry {self.name.registry} answered {status} for {what}")
        text = " ".join(response.read().decode(errors="replace").split())[:300]
        raise ImageError(f"registry {self.name.registry} answered {status} for {what}: {text}")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _check(content: bytes, digest: str, name: ImageName) -> None:
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise ImageRegistryError(f"{name.registry} gave other bytes than {digest[:19]} of {name.repository}")
