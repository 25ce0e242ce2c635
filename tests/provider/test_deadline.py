"""A task that is stuck in C code ends after its timeout."""

from __future__ import annotations

import subprocess
import sys

STUCK = """
import ctypes
from datetime import timedelta
from mlops_provider.operators.deadline import deadline

with deadline(timedelta(seconds={limit}), grace=0.5):
    ctypes.PyDLL(None).usleep(1_500_000)  # holds the interpreter: neither a signal nor a thread of Python gets through
with deadline(None):
    print("went on")
"""


def run(limit):
    return subprocess.run(
        [sys.executable, "-c", STUCK.format(limit=limit)], capture_output=True, text=True, timeout=60, check=False
    )


def test_code_that_no_longer_listens_is_ended_and_its_place_is_in_the_log():
    result = run(0.2)

    assert result.returncode == 1
    assert "went on" not in result.stdout
    assert 'File "<string>", line 7' in result.stderr


def test_a_task_within_its_time_goes_on():
    result = run(30)

    assert (result.returncode, result.stdout) == (0, "went on\n")
