"""Destination: a folder or URL that gets one Parquet file for each partition, and nothing twice."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, SourceUnavailableError
from mlops_provider.store.store import Store, json_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_provider.runtime.batch.partitions import Partition
    from mlops_provider.store.filesystem import LocalFiles, RemoteFiles

OWNER = "_mlops.json"
"""Says whose the folder is; written first. Spark, Hive and DuckDB leave out what begins with '_'."""
DONE = "_SUCCESS"
"""Written last, when every partition is there: Hadoop's sign of a whole folder."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder that is this work's."""

    url: str
    folder: str
    files: LocalFiles | RemoteFiles
    store: Store

    @classmethod
    def claim(cls, url: str, store: Store, owner: dict[str, Any]) -> Destination:
        """Take an empty folder, or one that equal work took before; ConfigError where there is anything else."""
        place = Store(url).url
        if f"{place}/".startswith(f"{store.url}/"):
            raise ConfigError(f"the destination {url} lies in the store", hint="name a folder outside of it")
        root, _, folder = place.rpartition("/")
        if not folder or root.endswith(":/"):
            raise ConfigError(f"the destination {url} is no folder", hint="name one, as s3://bucket/scores")
        files = Store(root or "/").files
        try:
            held = files.list(folder)
            if OWNER in held or not held:
                mine = files.create(f"{folder}/{OWNER}", json_bytes(owner))
                if mine or json.loads(files.read(f"{folder}/{OWNER}")) == owner:
                    return cls(place, folder, files, store)
        except (OSError, ValueError) as err:
            raise SourceUnavailableError(f"the destination {url} cannot be written: {err}") from err
        what = "holds predictions of other data or another model" if OWNER in held else f"has files already: {held[0]}"
        raise ConfigError(
            f"the destination {url} {what}", hint="nothing is overwritten: name a new folder, as scores/{{ ds }}"
        )

    def put(self, partition: Partition, file: Path) -> None:
        """Write a partition; what stands there already is whole."""
        name = f"{partition.label}/part-00000.parquet" if "=" in partition.label else f"{partition.label}.parquet"
        try:
            if self.files.exists(f"{self.folder}/{name}"):
                return
            with self.store.scratch() as scratch:
                copy = scratch / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
                self.files.upload(self.folder, [copy], scratch)
        except OSError as err:
            raise SourceUnavailableError(f"{self.url}/{name} cannot be written: {err}") from err

    def finish(self) -> None:
        """Say that every partition is there."""
        self.files.write(f"{self.folder}/{DONE}", b"")
