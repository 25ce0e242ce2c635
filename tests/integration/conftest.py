"""A real Airflow and a real model server for the whole session of integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_dag_factory.local.airflow import LocalAirflow
from mlops_dag_factory.local.home import LocalHome
from mlops_dag_factory.local.server import LocalServer

MODULES = Path(__file__).parent / "modules"


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    home = LocalHome(tmp_path_factory.mktemp("airflow"))
    home.create()
    return home


@pytest.fixture(scope="session")
def airflow(home):
    settings = {"AIRFLOW__MLOPS__ALLOWED_IMPORTS": "sklearn.,slow_parts", "PYTHONPATH": str(MODULES)}
    with LocalAirflow(home, settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def server(home):
    with LocalServer(home) as running:
        yield running
