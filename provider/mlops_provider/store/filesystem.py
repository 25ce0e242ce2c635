"""The few file operations that the store needs, the same on a local folder and on an object store."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FileInfo(NamedTuple):
    """Size in bytes and time of the last change, in seconds since 1970."""

    size: int
    modified: float


class LocalFiles:
    """A folder of this machine. Files appear whole or not at all: written aside, synced, then linked or renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Give the path of a key."""
        return self.root / _inside(key)

    def exists(self, key: str) -> bool:
        """Say whether a file is there."""
        return self.path(key).exists()

    def read(self, key: str) -> bytes:
        """Read a whole file; FileNotFoundError when there is none."""
        return self.path(key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Write or replace a file, atomically."""
        aside = self._write_aside(key, content)
        aside.replace(self.path(key))

    def create(self, key: str, content: bytes) -> bool:
        """Write a file that must not exist yet, atomically; False when it does."""
        aside = self._write_aside(key, content)
        try:
            os.link(aside, self.path(key))
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        return True

    def list(self, key: str) -> list[str]:
        """Give the names in a folder, sorted; none when it does not exist."""
        try:
            return sorted(entry.name for entry in os.scandir(self.path(key)) if not entry.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def walk(self, key: str) -> Iterator[tuple[str, FileInfo]]:
        """Give all files below a key, those too that are being written."""
        for folder, _, names in os.walk(self.path(key)):
            for name in names:
                path = Path(folder, name)
                try:
                    info = path.stat()
                except FileNotFoundError:
                    continue  # removed or renamed meanwhile
                yield path.relative_to(self.root).as_posix(), FileInfo(info.st_size, info.st_mtime)

    def touch(self, key: str) -> None:
        """Make a file young again."""
        os.utime(self.path(key))

    def delete(self, key: str) -> None:
        """Remove a file, and its folder when that is empty; nothing happens when there is none."""
        path = self.path(key)
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    def upload(self, key: str, files: Iterable[Path], folder: Path) -> None:
        """Move files from a local scratch folder below a key, each atomically over what is there."""
        for file in files:
            target = self.path(f"{key}/{file.relative_to(folder).as_posix()}")
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
            shutil.move(file, aside)
            aside.replace(target)

    def local_folder(self, key: str, names: Iterable[str]) -> Path:  # noqa: ARG002 (the remote twin needs the names)
        """Give a local folder that holds the files of a key."""
        return self.path(key)

    def _write_aside(self, key: str, content: bytes) -> Path:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return aside


class RemoteFiles:
    """An fsspec URL. Object stores make one PUT atomic; `create` needs one that refuses to overwrite."""

    def __init__(self, url: str, cache: Path) -> None:
        import fsspec

        self.fs: Any
        self.fs, self.root = fsspec.core.url_to_fs(url)
        self.cache = cache

    def _full(self, key: str) -> str:
        return f"{self.root.rstrip('/')}/{_inside(key)}"

    def exists(self, key: str) -> bool:
        """Say whether a file is there."""
        return bool(self.fs.exists(self._full(key)))

    def read(self, key: str) -> bytes:
        """Read a whole file; FileNotFoundError when there is none."""
        return bytes(self.fs.cat_file(self._full(key)))

    def write(self, key: str, content: bytes) -> None:
        """Write or replace a file, atomically."""
        self._make_parent(key)
        self.fs.pipe_file(self._full(key), content)

    def create(self, key: str, content: bytes) -> bool:
        """Write a file that must not exist yet; False when it does."""
        self._make_parent(key)
        try:
            self.fs.pipe_file(self._full(key), content, mode="create")
        except FileExistsError:
            return False
        return True

    def list(self, key: str) -> list[str]:
        """Give the names in a folder, sorted; none when it does not exist."""
        try:
            self.fs.invalidate_cache(self._full(key))
            names = self.fs.ls(self._full(key), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in names)

    def walk(self, key: str) -> Iterator[tuple[str, FileInfo]]:
        """Give all files below a key."""
        self.fs.invalidate_cache()
        for path, info in self.fs.find(self._full(key), detail=True).items():
            changed = info.get("LastModified") or info.get("mtime") or info.get("updated") or info.get("created") or 0.0
            when = changed.timestamp() if isinstance(changed, datetime) else _seconds(changed)
            yield path.removeprefix(f"{self.root.rstrip('/')}/"), FileInfo(int(info["size"] or 0), when)

    def touch(self, key: str) -> None:
        """Make a file young again: it is written once more as it is."""
        self.fs.pipe_file(self._full(key), self.read(key))

    def delete(self, key: str) -> None:
        """Remove a file; nothing happens when there is none."""
        if self.fs.exists(self._full(key)):
            self.fs.rm_file(self._full(key))

    def upload(self, key: str, files: Iterable[Path], folder: Path) -> None:
        """Copy files from a local scratch folder below a key."""
        for file in files:
            name = f"{key}/{file.relative_to(folder).as_posix()}"
            self._make_parent(name)
            self.fs.put_file(str(file), self._full(name))

    def local_folder(self, key: str, names: Iterable[str]) -> Path:
        """Give a local folder that holds the files of a key, fetched once."""
        target = self.cache / key
        for name in names:
            path = target / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
                self.fs.get_file(self._full(f"{key}/{name}"), str(aside))
                aside.replace(path)
        return target

    def _make_parent(self, key: str) -> None:
        self.fs.makedirs(self._full(key).rsplit("/", 1)[0], exist_ok=True)


def _inside(key: str) -> str:
    """Refuse a key that leads up: parts of keys come from addresses that people type."""
    if ".." in key.split("/"):
        raise FileNotFoundError(f"{key} is not a place in the store")
    return key


def _seconds(moment: Any) -> float:
    return datetime.fromisoformat(moment).astimezone(UTC).timestamp() if isinstance(moment, str) else float(moment)
