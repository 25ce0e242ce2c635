"""The store: publish content, read it back with its digest checked, keep documents.

Layout below the root URL:
    <workflow>/datasets|models|reports|images/<first 20 digits of the digest>/   files and manifest.json, written last
    <workflow>/runs/<run>/<phase>/<attempt>.json                          phase records
    <workflow>/audit/<number>.json                                        audit chain
    <workflow>/approvals/<run>/<phase>/<round>.json                       what people are asked
    <workflow>/registered/<name>/<version>.json                           lineage of registered versions
    <workflow>/services/<environment>/…                                   deployment record, server reports
    <workflow>/predictions/<environment>/…                                prediction log
    <workflow>/predict/<work>/<partition>/…                               receipts of scored partitions
    <workflow>/monitor/…                                                  monitoring history
    <workflow>/compared/<digests>.json                                    what changed between two training sets
    _names/<name>/…                                                       workflow where a registered name is at home
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.exceptions import DigestMismatchError, NotFoundInStoreError, SizeMismatchError, StoreError
from mlops_provider.store.filesystem import LocalFiles, RemoteFiles
from mlops_provider.store.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_provider.refs import Ref

Kind = Literal["datasets", "models", "reports", "images"]
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Published:
    """Where content was published and the digest of all of it."""

    uri: str
    digest: str


@dataclass(frozen=True, slots=True)
class Content:
    """Published content: its manifest and a local folder with its files."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def meta(self) -> dict[str, Any]:
        """What the publisher wrote about it."""
        return self.manifest["meta"]  # type: ignore[no-any-return]

    def files(self, suffix: str = "") -> list[Path]:
        """Give the paths of the files, in the manifest's order."""
        return [self.folder / name for name in self.manifest["files"] if name.endswith(suffix)]


class Store:
    """A store at a local folder or an fsspec URL.

    `trust` is what the models in it may be made of; default: what the environment of this process says.
    """

    def __init__(self, url: str | Path, trust: Trust | None = None) -> None:
        self.trust = trust or Trust.from_environment()
        text = str(url)
        self.local = "://" not in text or text.startswith("file://")
        self.url = str(Path(text.removeprefix("file://")).expanduser().absolute()) if self.local else text.rstrip("/")
        self.scratch_root = (
            Path(self.url) / ".scratch" if self.local else Path(tempfile.gettempdir()) / "mlops" / "scratch"
        )
        cache = self.scratch_root.with_name("cache") / hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self.files: LocalFiles | RemoteFiles = (
            LocalFiles(Path(self.url)) if self.local else RemoteFiles(self.url, cache)
        )

    def clean_scratch(self, older_than: float) -> int:
        """Remove what killed processes left in the scratch room, after so many seconds; give how many folders."""
        old = [path for path in self.scratch_root.glob("tmp*") if time.time() - path.stat().st_mtime > older_than]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return len(old)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a local folder to write in, on the store's own disk where it has one; gone afterwards."""
        try:
            self.scratch_root.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=self.scratch_root))
        except OSError as err:
            raise StoreError(f"the store {self.url} cannot be written: {err}") from err
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def uri(self, key: str) -> str:
        """Give the URI of a key."""
        return f"{self.url}/{key}"

    def key(self, uri: str) -> str:
        """Give the key of a URI of this store."""
        if not uri.startswith(f"{self.url}/"):
            raise NotFoundInStoreError(uri)
        return uri.removeprefix(f"{self.url}/")

    def publish(self, workflow: str, kind: Kind, folder: Path, meta: Mapping[str, Any]) -> Published:
        """Publish all files of a scratch folder as one immutable unit; the same content gives the same place.

        The digest covers names and bytes of the files, not `meta`. The manifest is written last and once:
        a publication that was cut short is not there. On a local folder, where it costs a rename, publishing again
        replaces the files by equal ones: files that were damaged are whole again.
        """
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
        digest = content_digest(digests)
        key = f"{workflow}/{kind}/{digest[:20]}"
        manifest = {"digest": digest, "files": digests, "sizes": sizes, "meta": dict(meta)}
        try:
            if self.local or not self.files.exists(f"{key}/{MANIFEST}"):
                self.files.upload(key, paths, folder)
            if not self.files.create(f"{key}/{MANIFEST}", json_bytes(manifest)):
                self.files.touch(f"{key}/{MANIFEST}")  # young again: nobody takes it for garbage
        except OSError as err:
            raise StoreError(f"{self.uri(key)} cannot be written: {err}") from err
        return Published(self.uri(key), digest)

    def open(self, ref: Ref, *, verify: bool = False) -> Content:
        """Open what a reference points to; `verify` reads every byte, otherwise manifest and sizes must be right."""
        key = self.key(ref.uri)
        try:
            manifest = json.loads(self.files.read(f"{key}/{MANIFEST}"))
        except FileNotFoundError as err:
            raise NotFoundInStoreError(ref.uri) from err
        if content_digest(manifest["files"]) != ref.digest:
            raise DigestMismatchError(ref.uri, ref.digest, content_digest(manifest["files"]))
        folder = self.files.local_folder(key, manifest["files"])
        for name, digest in manifest["files"].items():
            if not (folder / name).exists():
                raise NotFoundInStoreError(f"{ref.uri}/{name}")
            size = (folder / name).stat().st_size
            if size != manifest["sizes"][name]:
                raise SizeMismatchError(f"{ref.uri}/{name}", manifest["sizes"][name], size)
            if verify and file_digest(folder / name) != digest:
                raise DigestMismatchError(f"{ref.uri}/{name}", digest, file_digest(folder / name))
        return Content(folder, manifest)


def file_digest(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(files: Mapping[str, str]) -> str:
    """Give the SHA-256 of a set of files from their names and digests."""
    return hashlib.sha256(json_bytes(dict(sorted(files.items())))).hexdigest()


def json_digest(value: object) -> str:
    """Give the SHA-256 of a value in the store's JSON form."""
    return hashlib.sha256(json_bytes(value)).hexdigest()


def json_bytes(value: object) -> bytes:
    """Give the one JSON form that the store writes: sorted keys, no NaN."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, default=str).encode()
