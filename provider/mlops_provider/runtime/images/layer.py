"""Layers: folders as compressed archives whose bytes depend on names and contents only."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_LEVEL = 1
"""Libraries of 400 MB: higher levels take three times as long for a tenth of the size."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the digest of its archive (`sha256:…`), of the archive before compression, its size and origin."""

    digest: str
    diff_id: str
    size: int
    origin: str
    media_type: str = GZIP_LAYER

    def descriptor(self) -> dict[str, Any]:
        """Give the entry of the image's manifest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class _Counted:
    """Writes on to a file, if there is one, and hashes what passes."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def write_layer(folder: Path, prefix: str, blobs: Path, origin: str) -> Layer:
    """Write a folder as the layer that puts it at `prefix` (an absolute path), into the folder of blobs.

    Entries are sorted, belong to root, are dated 1970 and can be read by everyone: equal folders give equal layers.
    """
    aside = blobs / ".layer"
    with aside.open("wb") as file:
        packed = _Counted(file)
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=packed, mtime=0) as zipped:
            plain = _Counted(zipped)
            with tarfile.open(mode="w|", fileobj=plain, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]  # it is written to only
                _add(archive, folder, prefix.strip("/"))
    digest = packed.sha256.hexdigest()
    aside.replace(blobs / digest)
    return Layer(f"sha256:{digest}", f"sha256:{plain.sha256.hexdigest()}", packed.size, origin)


def _add(archive: tarfile.TarFile, folder: Path, prefix: str) -> None:
    parts = prefix.split("/")
    for depth in range(1, len(parts) + 1):
        archive.addfile(_entry("/".join(parts[:depth]), tarfile.DIRTYPE, 0o755))
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = f"{prefix}/{path.relative_to(folder).as_posix()}"
        if path.is_symlink():
            link = _entry(name, tarfile.SYMTYPE, 0o777)
            link.linkname = path.readlink().as_posix()
            archive.addfile(link)
        elif path.is_dir():
            archive.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        else:
            executable = path.stat().st_mode & 0o100
            entry = _entry(name, tarfile.REGTYPE, 0o755 if executable else 0o644)
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, 0
    return entry
