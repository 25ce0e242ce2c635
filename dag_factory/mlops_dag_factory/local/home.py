"""The home of an Airflow on this machine: folders, a loader file, and the settings that make small runs quick."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
import zlib
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LOADER = (
    "from mlops_dag_factory.loader import load_workflows  # every workflow file becomes an Airflow DAG\n"
    'load_workflows("workflows")\n'
)


@dataclass(frozen=True, slots=True)
class LocalHome:
    """A folder with everything: Airflow's home, workflow files, the store, the data root."""

    root: Path

    @property
    def dags(self) -> Path:
        """The folder that Airflow reads DAGs from."""
        return self.root / "dags"

    @property
    def workflows(self) -> Path:
        """The folder for workflow files."""
        return self.dags / "workflows"

    @property
    def store(self) -> Path:
        """The store."""
        return self.root / "store"

    @property
    def data(self) -> Path:
        """The folder from which relative paths in workflow files count."""
        return self.root / "data"

    def create(self) -> None:
        """Make the folders and the loader file; what is there stays."""
        for folder in (self.workflows, self.store, self.data):
            folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.root / "airflow.db")) as database:
            database.execute(
                "PRAGMA journal_mode = WAL"
            )  # kept in the file: readers and the writer do not block each other
        loader = self.dags / "load_workflows.py"
        if not loader.exists():
            loader.write_text(_LOADER)

    def migrate(self) -> None:
        """Bring Airflow's tables up to date; a database that this version of it has seen is left alone."""
        from airflow import __version__

        mark = zlib.crc32(__version__.encode()) & 0x7FFFFFFF  # kept in the file, so that it goes with the tables
        with closing(sqlite3.connect(self.root / "airflow.db")) as database:
            if database.execute("PRAGMA user_version").fetchone() == (mark,):
                return
        from airflow.utils.db import upgradedb

        upgradedb()
        with closing(sqlite3.connect(self.root / "airflow.db")) as database:
            database.execute(f"PRAGMA user_version = {mark}")

    def add(self, workflow: Path) -> Path:
        """Copy a workflow file into the folder, whole or not at all."""
        target = self.workflows / workflow.name
        aside = target.with_name(f".{target.name}.new")
        shutil.copyfile(workflow, aside)
        return aside.replace(target)

    def write(self, name: str, text: str) -> Path:
        """Write a workflow file into the folder, whole or not at all."""
        target = self.workflows / name
        aside = target.with_name(f".{name}.new")
        aside.write_text(text, encoding="utf-8")
        return aside.replace(target)

    def environment(self, *, data_root: Path | None = None) -> dict[str, str]:
        """Give the environment variables of an Airflow process that lives here."""
        root = self.root.absolute()
        settings = {
            "CORE__DAGS_FOLDER": self.dags.absolute(),
            "CORE__LOAD_EXAMPLES": False,
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": 4,
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{root / 'airflow.db'}",
            "LOGGING__BASE_LOG_FOLDER": root / "logs",
            "MLOPS__STORE": self.store.absolute(),
            "MLOPS__TRACKING_URI": f"sqlite:///{root / 'mlops' / 'mlflow.db'}",
            "MLOPS__DATA_ROOT": data_root or self.data.absolute(),
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        variables = {f"AIRFLOW__{key}": str(value) for key, value in settings.items()}
        return {**variables, "AIRFLOW_HOME": str(root), "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}


def inherited_environment() -> dict[str, str]:
    """Give this process's environment without what belongs to another Airflow, its own programs first in PATH."""
    foreign = ("AIRFLOW_", "_AIRFLOW_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    inherited["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), inherited.get("PATH", os.defpath)])  # noqa: PTH120 (a symlink must not be resolved)
    return inherited


def free_port() -> int:
    """Give a TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
