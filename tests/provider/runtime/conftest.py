"""A real PostgreSQL server for the tests that read from a database."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """Start a server of its own on a free port; give its URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    if not found[-1].is_file():
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    programs = found[-1].parent
    folder = tmp_path_factory.mktemp("postgres")
    user = []
    if os.geteuid() == 0:  # the server refuses to run as root
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        subprocess.run(["chown", "postgres", folder], check=True)
        for parent in folder.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o011)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    (folder / "password").write_text("s3cret")
    (folder / "password").chmod(0o644)
    login = ["--username=ana", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
    subprocess.run([*user, programs / "initdb", "-D", data, *login], check=True, capture_output=True)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [*user, programs / "pg_ctl", "-D", data, "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, stdout=subprocess.DEVNULL)
    yield f"postgresql+psycopg2://ana:s3cret@127.0.0.1:{port}/postgres"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def sales(postgres):
    """A table with every kind of value that people keep in one."""
    engine = create_engine(postgres, execution_options={"no_parameters": True})
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS sales")
        connection.exec_driver_sql(
            "CREATE TABLE sales AS SELECT i AS id, (i * 1.5)::numeric(12, 2) AS price, 'town ' || i % 7 AS town, "
            "timestamptz '2026-01-01 00:00+00' + i * interval '1 minute' AS at, i % 2 = 0 AS paid, "
            "date '2026-01-01' + i % 30 AS day, CASE WHEN i > 60000 THEN 'late' END AS note, NULL::int AS never, "
            "jsonb_build_object('n', i) AS extra, gen_random_uuid() AS key FROM generate_series(1, 120000) AS t(i)"
        )
    yield engine
    engine.dispose()
