"""The command line, as people call it."""

from __future__ import annotations

import os
import subprocess
import sys


def mlops(folder, *arguments, answer="", **variables):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | variables
    return subprocess.run(
        [sys.executable, "-m", "mlops_dag_factory.cli.main", *arguments],
        cwd=folder,
        env=environment,
        input=answer,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
