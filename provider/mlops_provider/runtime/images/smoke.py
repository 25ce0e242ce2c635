"""The smoke run: start what was built with nothing but what is in it, and ask the golden rows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

from mlops_provider.exceptions import ImageError
from mlops_provider.runtime.images.recipe import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_provider.runtime.images.assemble import Image

_SECONDS = 180
_GRACE = 20


def smoke(image: Image, layers: int, folder: Path) -> dict[str, object]:
    """Unpack the last layers of an image and serve from them in a process; give what was run and found.

    The process sees the image's own folders and this machine's Python, without the libraries installed here.
    """
    for layer in image.manifest["layers"][-layers:]:
        with tarfile.open(image.blob(layer["digest"])) as archive:
            archive.extractall(folder, filter="data")
    root = folder / ROOT.strip("/")
    said = dict(entry.partition("=")[::2] for entry in image.config["config"]["Env"])
    environment = {**said, "PATH": os.environ.get("PATH", ""), "PYTHONPATH": f"{root}/lib:{root}/code"}
    python = [sys.executable, "-S", "-s"]
    if "--model-folder" not in (image.config["config"].get("Cmd") or []):
        _run([*python, "-c", "import mlops_provider.runtime.train, sklearn, duckdb"], environment, root)
        return {"how": "process", "imports": "runtime"}
    port = _free_port()
    command = [*python, *image.config["config"]["Entrypoint"][1:], "--model-folder", str(root / "model")]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port)], cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            asked = [*python, "-m", "mlops_provider.serving.golden", f"http://127.0.0.1:{port}", str(root / "model")]
            found = _run(asked, environment, root, log)
        finally:
            server.terminate()
            try:
                server.wait(_GRACE)
            except subprocess.TimeoutExpired:
                server.kill()
    return {"how": "process", **found}


def read_answer(said: str, log: str, code: int) -> dict[str, int]:
    """Give what the golden client printed; ImageError names what the server said when it did not answer well."""
    try:
        found: dict[str, int] = json.loads(said.splitlines()[-1])
    except (IndexError, ValueError):
        tail = "; ".join(log.splitlines()[-5:])[-1500:]
        raise ImageError(f"what was built does not serve its golden rows (code {code}): {tail}") from None
    if found["mismatches"]:
        raise ImageError(
            f"what was built answers {found['mismatches']} of {found['rows']} golden rows otherwise than in training",
            hint="the image's libraries differ from those of the training: look at 'requirements'",
        )
    return found


def _run(command: list[str], environment: dict[str, str], root: Path, log: Path | None = None) -> dict[str, int]:
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if log is None:
        if done.returncode:
            raise ImageError(f"what was built does not start: {done.stderr[-1500:]}")
        return {}
    return read_answer(done.stdout, log.read_text(errors="replace") + done.stderr, done.returncode)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
