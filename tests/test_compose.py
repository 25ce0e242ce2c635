"""docker-compose.yaml: valid for the oldest docker-compose in use, no secret in it, settings that exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docker-compose.yaml"
SECRETS = (
    "POSTGRES_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_FERNET_KEY",
    "MLOPS_SERVE_TOKEN",
)


def config(**variables):
    if not shutil.which("docker-compose"):
        if os.environ.get("CI"):
            pytest.fail("docker-compose is not installed: .ci/system-packages should have done it")
        pytest.skip("docker-compose is not installed")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    command = ["docker-compose", "--file", str(FILE), "config"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services():
    result = config(**dict.fromkeys(SECRETS, "from-the-environment"))
    assert result.returncode == 0, result.stderr
    return yaml.safe_load(result.stdout)["services"]


def test_every_part_of_production_is_there(services):
    parts = {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "model-server"}

    assert set(services) == parts


def test_every_service_says_whether_it_is_healthy(services):
    assert [name for name, service in services.items() if "healthcheck" not in service] == ["init"]


@pytest.mark.parametrize("secret", SECRETS)
def test_it_does_not_start_without_its_secrets(secret):
    result = config(**{name: "x" for name in SECRETS if name != secret})

    assert result.returncode != 0
    assert "set it" in result.stderr


def test_nothing_listens_beyond_this_machine(services):
    ports = [str(port) for service in services.values() for port in service.get("ports", [])]

    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_airflow_setting_exists(services, tmp_path):
    names = {name for service in services.values() for name in service.get("environment", {}) if "__" in name}
    code = (
        "from airflow.configuration import conf\n"
        "for section, content in conf.configuration_description.items():\n"
        "    for option in content['options']: print(section, option)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    known = {tuple(line.split()) for line in out.splitlines() if len(line.split()) == 2}

    unknown = {name for name in names if tuple(name.removeprefix("AIRFLOW__").lower().split("__")) not in known}
    assert unknown == set()


def test_no_password_is_written_down():
    text = FILE.read_text()

    assert not re.search(
        r"(?i)(password|secret|token|key)\w*: *[\"']?[A-Za-z0-9]{6,}", text.replace("passwords.json", "")
    )


def test_the_image_is_built_from_what_the_dockerfile_copies():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert {name for line in copied for name in line.split()} == allowed
