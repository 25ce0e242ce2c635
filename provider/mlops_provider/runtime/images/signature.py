"""Signatures of bundles: the digests of all files, signed with Ed25519 (RFC 8032) by the `cryptography` library."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ConfigError, ImageError
from mlops_provider.store.store import MANIFEST, file_digest, json_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DIGESTS = "digests.json"
SIGNATURE = "digests.sig"


def write_digests(folder: Path) -> bytes:
    """Write the digests of all files of a folder; give the bytes to sign."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    content = json_bytes({path.relative_to(folder).as_posix(): file_digest(path) for path in paths})
    (folder / DIGESTS).write_bytes(content)
    return content


def sign(folder: Path, content: bytes, key: str) -> None:
    """Sign the digests with a private key (PEM, or the path of a file that holds one)."""
    signature = _private(key).sign(content)
    (folder / SIGNATURE).write_text(base64.b64encode(signature).decode() + "\n")


def verify(folder: Path, public_key: str = "") -> int:
    """Check every file against the digests, and these against their signature; give how many files there are.

    Without a key the digests are compared only. ImageError names the first file that differs, lacks or is too much.
    """
    if not (folder / DIGESTS).is_file():
        raise ImageError(f"{folder} is not a bundle: it has no {DIGESTS}")
    content = (folder / DIGESTS).read_bytes()
    if public_key:
        _check_signature(folder, content, public_key)
    expected: dict[str, str] = json.loads(content)
    for name, digest in expected.items():
        if not (folder / name).is_file():
            raise ImageError(f"the bundle lacks {name}", hint="copy it again")
        if file_digest(folder / name) != digest:
            raise ImageError(f"{name} was changed after the bundle was made", hint="copy it again, or do not trust it")
    own = {DIGESTS, SIGNATURE, MANIFEST}  # the last is the store's
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    strange = sorted(name for name in found - own - set(expected) if "__pycache__" not in name)
    if strange:
        raise ImageError(f"{strange[0]} does not belong to the bundle", hint="remove it, or do not trust it")
    return len(expected)


def _check_signature(folder: Path, content: bytes, key: str) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if not (folder / SIGNATURE).is_file():
        raise ImageError("the bundle is not signed", hint="package it with 'signing_key'")
    try:
        public = load_pem_public_key(_pem(key))
    except ValueError as err:
        raise ConfigError("the key is not a public key in PEM form", hint="openssl pkey -in key.pem -pubout") from err
    if not isinstance(public, Ed25519PublicKey):
        raise ConfigError("the key is not an Ed25519 key", hint="openssl genpkey -algorithm ed25519 -out key.pem")
    try:
        public.verify(base64.b64decode((folder / SIGNATURE).read_text()), content)
    except (InvalidSignature, ValueError) as err:
        raise ImageError("the signature is not that of this key and these digests") from err


def _private(key: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    hint = "openssl genpkey -algorithm ed25519 -out key.pem"
    try:
        private = load_pem_private_key(_pem(key), password=None)
    except (ValueError, TypeError) as err:
        raise ConfigError("'signing_key' is not a private key in PEM form", hint=hint) from err
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError("'signing_key' is not an Ed25519 key", hint=hint)
    return private


def _pem(key: str) -> bytes:
    if "-----BEGIN" in key:
        return key.encode()
    try:
        return Path(key).expanduser().read_bytes()
    except OSError as err:
        raise ConfigError(f"the key {key} cannot be read: {err.strerror}") from err
