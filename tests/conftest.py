"""What all tests share: the real data sets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.label_server import LabelServer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
AIRFLOW, PAGES = "tests/integration/", "tests/test_docs.py"


def pytest_collection_modifyitems(items):
    """Begin with what takes longest."""
    items.sort(key=lambda item: not item.nodeid.startswith((AIRFLOW, PAGES)))


class OneAirflowAtATime(LoadScopeScheduling):
    """Keeps the tests of a file on one worker, and all that start an Airflow on one: two at once are slow and flaky.

    The pages of the documentation share nothing and take a minute each: whoever is free takes the next.
    """

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return AIRFLOW if file.startswith(AIRFLOW) else nodeid if file == PAGES else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Divide the tests among the workers."""
    return OneAirflowAtATime(config, log)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Give the folder of the real data sets; in CI they must be there."""
    folder = Path(os.environ.get("MLOPS_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the data sets are not in {folder}")
        pytest.skip(f"the data sets are not in {folder}; set MLOPS_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def label_server(tmp_path_factory):
    """Start a real Label Studio, in an environment of its own."""
    with LabelServer(ROOT / ".mlops" / "label-studio", tmp_path_factory.mktemp("label-studio")) as server:
        yield server
