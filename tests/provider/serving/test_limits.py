"""A server that is asked too much, too slowly or by nobody it knows refuses in time, and answers the others."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

SECRET = "a-secret-of-more-than-thirty-two-characters"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Give a server with tight limits, keys, tokens and a log of every request, and three keys."""
    from tests.provider.serving.conftest import Yard, breast_cancer

    root = tmp_path_factory.mktemp("strict")
    made = Yard(root)
    made.deploy(made.publish(breast_cancer()))
    made.deploy(made.publish(breast_cancer()), environment="staging")
    keys = {name: f"key-of-{name}" for name in ("ana", "bo", "old")}
    digests = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    entries = [
        {"name": "ana", "sha256": digests["ana"]},
        {"name": "bo", "sha256": digests["bo"], "services": ["tumour/staging"]},
        {"name": "old", "sha256": digests["old"], "expires": yesterday},
    ]
    (root / "keys.json").write_text(json.dumps(entries))
    (root / "secret").write_text(SECRET)
    rules = {"algorithms": ["HS256"], "audience": "models", "issuer": "us", "key_file": "secret"}
    (root / "jwt.json").write_text(json.dumps(rules))
    server = made.serve(
        "--keys", str(root / "keys.json"), "--jwt", str(root / "jwt.json"), "--request-log", "all",
        "--max-rows", "50", "--max-body-mb", "1", "--read-timeout", "1", "--max-waiting", "4",
    )  # fmt: skip
    server.wait()
    made.keys = keys
    yield made
    made.close()


def post(strict, body, path="/tumour/production/invocations", **options):
    headers = {"X-API-Key": strict.keys["ana"], **options.pop("headers", {})}
    return httpx.post(strict.servers[0].url + path, json=body, headers=headers, timeout=30, **options)


def token(secret=SECRET, **claims):
    now = int(time.time())
    content = {"sub": "robot", "aud": "models", "iss": "us", "exp": now + 60, "scope": "predict:tumour/*", **claims}
    return jwt.encode({name: value for name, value in content.items() if value is not None}, secret, "HS256")


def test_keys_open_their_services_and_no_others(strict, tumours):
    body = strict.body(tumours.head(1))

    def status(key, environment="production"):
        path = f"/tumour/{environment}/invocations"
        answer = post(strict, body, path, headers={"X-API-Key": key})
        return answer.status_code

    assert [status(strict.keys["ana"], name) for name in ("production", "staging")] == [200, 200]
    assert [status(strict.keys["bo"], name) for name in ("production", "staging")] == [403, 200]
    assert [status("wrong"), status(strict.keys["old"])] == [401, 401]
    bearer = {"Authorization": f"Bearer {strict.keys['ana']}"}
    url = strict.servers[0].url
    assert httpx.post(f"{url}/tumour/production/invocations", json=body, headers=bearer).status_code == 200
    seen = httpx.get(f"{url}/services", headers={"X-API-Key": strict.keys["bo"]}).json()["services"]
    assert [service["service"] for service in seen] == ["tumour/staging"]
    assert httpx.get(f"{url}/openapi.json").status_code == httpx.get(f"{url}/services").status_code == 401
    assert httpx.get(f"{url}/health").status_code == httpx.get(f"{url}/docs").status_code == 200


@pytest.mark.parametrize(
    ("claims", "status", "words"),
    [
        ({}, 200, ""),
        ({"exp": 1}, 401, "expired"),
        ({"exp": None}, 401, "missing the"),
        ({"aud": "others"}, 401, "Audience"),
        ({"iss": "them"}, 401, "issuer"),
        ({"scope": "predict:other/*"}, 403, "may not use"),
        ({"scope": ""}, 403, "may not use"),
        ({"secret": "another-secret-of-thirty-two-characters"}, 401, "ignature"),
    ],
)
def test_signed_tokens(strict, tumours, claims, status, words):
    headers = {"Authorization": f"Bearer {token(**claims)}"}
    url = f"{strict.servers[0].url}/tumour/production/invocations"

    answer = httpx.post(url, json=strict.body(tumours.head(1)), headers=headers, timeout=30)

    assert answer.status_code == status
    assert words in answer.text


def test_a_token_without_a_signature_is_not_taken(strict, tumours):
    content = jwt.encode({"sub": "x", "aud": "models", "iss": "us", "exp": 9999999999}, None, "none")

    answer = post(strict, {}, headers={"X-API-Key": content})

    assert answer.status_code == 401


def test_too_many_rows_and_bytes_are_refused(strict, tumours):
    rows, padding = strict.body(tumours.head(51)), {"padding": "x" * (1 << 20)}

    assert post(strict, rows).status_code == 413
    assert "at most 50" in post(strict, rows).json()["error"]
    assert post(strict, padding).status_code == 413


def test_slow_clients_are_sent_away_and_others_answered(strict, tumours):
    port = strict.servers[0].port
    head = b"POST /tumour/production/invocations HTTP/1.1\r\nHost: x\r\nX-API-Key: key-of-ana\r\n"
    slow = []
    for start in (b"", b"POST /tumour", head, head + b"Content-Length: 100\r\n\r\n{"):
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        connection.sendall(start)
        slow.append(connection)

    meanwhile = [post(strict, strict.body(tumours.head(1))).status_code for _ in range(3)]
    ends = [connection.recv(1000) for connection in slow]

    assert meanwhile == [200] * 3
    assert ends[:3] == [b""] * 3
    assert b" 408 " in ends[3].split(b"\r\n")[0]


def test_too_many_at_once_are_refused_before_they_pile_up(strict, tumours):
    body = json.dumps(strict.body(tumours.head(50))).encode() + b" " * 50_000  # large: predicted in threads
    port = strict.servers[0].port
    request = (
        b"POST /tumour/production/invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: key-of-ana\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    answers = []

    def ask():
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request + body)
            answer = b""
            while part := connection.recv(1 << 16):
                answer += part
            answers.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    statuses = [int(answer.split(b" ", 2)[1]) for answer in answers]
    assert set(statuses) == {200, 429}
    assert b"retry-after: 1" in next(answer for answer in answers if b" 429 " in answer[:20])
    assert post(strict, strict.body(tumours.head(1))).status_code == 200


def test_the_request_log_names_who_and_what_and_no_secret(strict, tumours):
    post(strict, strict.body(tumours.head(2)), headers={"X-Request-Id": "find-me"})

    deadline = time.monotonic() + 10
    while "find-me" not in (text := strict.servers[0].log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)

    [line] = [json.loads(line) for line in text.splitlines() if "find-me" in line]
    assert line | {"ts": "", "ms": 0} == {
        "ts": "", "status": 200, "request_id": "find-me", "service": "tumour/production", "version": "1",
        "role": "primary", "ms": 0, "rows": 2, "key": "ana",
    }  # fmt: skip
    assert "key-of-" not in text
    assert "mean radius" not in text


def test_a_key_that_is_added_works_without_a_restart(strict, tumours):
    file = strict.servers[0].log.parent / "keys.json"
    command = [sys.executable, "-m", "mlops_dag_factory.cli.main", "serve-key", "new"]
    made = subprocess.run(
        [*command, "--keys", str(file), "--service", "tumour/production"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    time.sleep(1.2)
    answer = post(strict, strict.body(tumours.head(1)), headers={"X-API-Key": made.stdout.strip()})

    assert answer.status_code == 200
    assert made.stdout.strip() not in file.read_text()


def test_a_prediction_that_takes_too_long_is_given_up(yard, tumours):
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name, "--timeout", "0.001")
    server.wait()

    late = httpx.post(f"{server.url}/invocations", json=yard.body(tumours), timeout=30)
    alive = httpx.get(f"{server.url}/health", timeout=30)

    assert (late.status_code, alive.status_code) == (504, 200)
    assert "within 0.001 s" in late.json()["error"]


@pytest.mark.timeout(200)
def test_tls(yard, tumours, tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key.pem", "-out",
         tmp_path / "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    yard.deploy(yard.publish(tumours))
    server = yard.serve(yard.name, "--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    url = server.url.replace("http:", "https:")
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")

    deadline, answer = time.monotonic() + 90, None
    while answer is None and time.monotonic() < deadline:
        try:
            answer = httpx.post(f"{url}/invocations", json=yard.body(tumours.head(1)), verify=trust, timeout=30)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            answer = answer if answer.status_code == 200 else None

    assert answer is not None
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tls-cert", "cert"], "give both --tls-cert and --tls-key"),
        (["--tls-cert", "cert", "--tls-key", "cert"], "are not a certificate and its key"),
        (["--workers", "0"], "0 workers cannot serve"),
        (["--keys", "cert"], "is not JSON"),
        (["--jwt", "mixed.json"], "algorithms of one kind"),
        (["--jwt", "weak.json"], "shorter than 32"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_starts(yard, tmp_path, monkeypatch, arguments, words):
    from click.testing import CliRunner

    from mlops_dag_factory.cli.serve import serve

    monkeypatch.chdir(tmp_path)
    (tmp_path / "cert").write_text("nothing")
    (tmp_path / "short").write_text("short")
    for name, algorithms in (("mixed", ["HS256", "RS256"]), ("weak", ["HS256"])):
        rules = {"algorithms": algorithms, "audience": "a", "key_file": "short"}
        (tmp_path / f"{name}.json").write_text(json.dumps(rules))

    result = CliRunner().invoke(serve, ["--store", yard.store.url, *arguments])

    assert result.exit_code == 1
    assert words in result.output
