"""The OpenAPI document is valid, and a client that knows nothing else (schemathesis) finds nothing wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest


@pytest.fixture
def document(shared):
    return httpx.get(f"{shared.servers[0].url}/openapi.json", timeout=30).json()


def test_the_document_is_valid_and_knows_the_features(document):
    from openapi_spec_validator import validate

    validate(document)

    row = document["components"]["schemas"]["tumour_staging_row"]
    assert row["required"] == ["mean radius", "mean texture", "size", "rough"]
    assert row["properties"]["size"]["anyOf"][0] == {"enum": ["large", "small"]}
    assert row["properties"]["rough"]["anyOf"][0] == {"type": "boolean"}
    assert "/tumour/production/v2/models/tumour/infer" in document["paths"]


def test_its_examples_are_answered_as_in_training(shared, document):
    posts = {path: methods["post"] for path, methods in document["paths"].items() if "post" in methods}

    answers = {}
    for path, operation in posts.items():
        example = operation["requestBody"]["content"]["application/json"]["example"]
        answers[path] = httpx.post(shared.servers[0].url + path, json=example, timeout=30)

    assert len(answers) == 4
    assert {answer.status_code for answer in answers.values()} == {200}


def test_the_pages_are_there_and_load_nothing_from_elsewhere(shared):
    root = shared.servers[0].url
    for path in ("/docs", "/try/tumour/production"):
        page = httpx.get(root + path, timeout=30)

        assert page.status_code == 200
        assert "http://" not in page.text
        assert "https://" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
    form = httpx.get(f"{root}/tumour/staging/form", timeout=30).json()
    assert [field["name"] for field in form["fields"]] == ["mean radius", "mean texture", "size", "rough"]
    assert form["picture"] is None


@pytest.mark.timeout(400)
def test_a_client_that_only_knows_the_document_finds_nothing_wrong(shared):
    client = Path(sys.executable).with_name("schemathesis")

    result = subprocess.run(
        [client, "run", f"{shared.servers[0].url}/openapi.json", "--checks", "all", "--max-examples", "25",
         "--phases", "examples,coverage,fuzzing", "--seed", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout[-4000:]
