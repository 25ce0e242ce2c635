"""`make demo`: the whole closed loop, from an empty folder, tells the truth and leaves nothing running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

DEMO = Path(__file__).parents[2] / "docs" / "demo"

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]


def test_the_demo_happens_and_stops_what_it_started(tmp_path):
    command = [sys.executable, str(DEMO), "--home", str(tmp_path / "demo")]
    environment = {**os.environ, "COLUMNS": "200"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)

    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-3000:]
    assert "It all happened" in result.stdout
    assert " NO " not in result.stdout
    left = [
        p.info["cmdline"]
        for p in psutil.process_iter(["cmdline"])
        if str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ]
    assert left == []
