"""A real S3 API on this machine: moto's server, spoken to over HTTP."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def s3_address():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_address, monkeypatch):
    """Make a bucket; give its URL."""
    import boto3

    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    boto3.client("s3").create_bucket(Bucket="lake")
    return "s3://lake"
