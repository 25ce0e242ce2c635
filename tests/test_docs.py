"""The documentation is true: every block of the tutorial is executed, the README's workflow is valid."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from mlops_dag_factory.local.home import inherited_environment
from mlops_dag_factory.local.process import ProcessGroup
from mlops_dag_factory.reading import inspect_text, inspect_workflow

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, str]]:
    return [match.groups() for match in BLOCK.finditer((ROOT / page).read_text())]


@pytest.mark.timeout(300)
def test_the_tutorial_runs_from_top_to_bottom(tmp_path):
    environment = inherited_environment()
    background = []
    try:
        for kind, options, text in blocks("docs/tutorial.md"):
            if kind == "yaml":
                (tmp_path / "wine.yaml").write_text(text)
            elif "background" in options:
                log = tmp_path / "background.log"
                background.append(
                    ProcessGroup(["bash", "-c", f"cd {tmp_path} && exec {text}"], environment=environment, log=log)
                )
                wait_for("http://127.0.0.1:8655/ready")
            elif kind in {"bash", "python"}:
                command = ["bash", "-euc", text] if kind == "bash" else [sys.executable, "-c", text]
                expected = int(options.partition("exit=")[2] or 0)
                result = subprocess.run(
                    command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
                )
                assert result.returncode == expected, f"{text}\n{result.stdout}\n{result.stderr}"
    finally:
        for group in background:
            group.stop()
    assert background


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "page",
    [
        "docs/language.md",
        "docs/data.md",
        "docs/models.md",
        "docs/evaluation.md",
        "docs/iterations.md",
        "docs/serving.md",
        "docs/deployment.md",
        "docs/monitoring.md",
    ],
)
def test_every_example_of_a_page_is_what_the_page_says(tmp_path, page):
    environment = inherited_environment()
    files, background = [], []
    try:
        for kind, options, text in blocks(page):
            if kind == "yaml":
                files.append(options.partition("file=")[2].strip())
                (tmp_path / files[-1]).write_text(text)
                continue
            port = options.partition("background=")[2].strip()
            if port:
                command = ["bash", "-c", f"cd {tmp_path} && exec {text}"]
                background.append(ProcessGroup(command, environment=environment, log=tmp_path / f"{port}.log"))
                wait_for(f"http://127.0.0.1:{port}/ready")
                continue
            command = ["bash", "-euc", text] if kind == "bash" else [sys.executable, "-c", text]
            expected = int(options.partition("exit=")[2] or 0)
            result = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
            )
            assert result.returncode == expected, f"{text}\n{result.stdout}\n{result.stderr}"
    finally:
        for group in background:
            group.stop()
    for file in files:
        if not file.startswith("_") and file != "mistakes.yaml":
            assert [str(problem) for problem in inspect_workflow(tmp_path / file).problems] == []


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{url} does not answer")


def test_the_readmes_workflow_has_no_problems():
    [text] = [text for kind, _, text in blocks("README.md") if kind == "yaml"]

    assert [problem for problem in inspect_text(text, "README.md").problems if problem.severity == "error"] == []


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/index.md",
        "docs/tutorial.md",
        "docs/language.md",
        "docs/data.md",
        "docs/models.md",
        "docs/evaluation.md",
        "docs/serving.md",
        "docs/deployment.md",
        "docs/monitoring.md",
    ],
)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / page).read_text())

    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_the_makefile_keeps_the_readmes_promises():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    assert {"demo", "test", "lint", "bench", "docs"} <= targets
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
