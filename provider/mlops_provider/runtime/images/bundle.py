"""A bundle: a folder that predicts on a device with Python and a few libraries; no server, no Airflow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ImageError
from mlops_provider.refs import ImageRef
from mlops_provider.runtime.contract import Outcome, RunContext
from mlops_provider.runtime.images import environment
from mlops_provider.runtime.images.parts import copy_model
from mlops_provider.runtime.images.report import publish_report
from mlops_provider.runtime.images.signature import SIGNATURE, sign, write_digests
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_dag_factory.spec.package import PackageSpec
    from mlops_provider.store.models import LoadedModel

_MAIN = '''"""Predict with the model of this bundle: python <this folder> < rows.jsonl; --check asks its golden rows."""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME))

from mlops_provider.serving.edge import main  # noqa: E402

sys.exit(main(HOME, sys.argv[1:]))
'''
_KEPT = ("__init__.py", "exceptions.py", "refs.py", "imports.py", "settings.py", "store", "serving")
"""What of our provider a device needs."""


def make_bundle(config: PackageSpec, model: LoadedModel, context: RunContext) -> Outcome:
    """Write the bundle, try it in a process that has nothing else of ours, sign it, publish it."""
    store = context.store()
    pins = environment.wanted("edge", model.content.meta["requirements"], config.requirements)
    key = context.connections.get(config.signing_key or "", "") or context.locate(config.signing_key or "")
    with store.scratch() as folder:
        _write(folder, model, pins, context)
        content = write_digests(folder)
        if config.signing_key:
            sign(folder, content, key)
        tried = _try(folder) if config.smoke else "not asked"
        about: dict[str, Any] = {
            "builder": "bundle",
            "workflow": context.workflow,
            "version": model.ref.version or model.ref.digest[:12],
            "model": model.ref.digest,
            "signed": (folder / SIGNATURE).exists(),
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            "smoke": tried,
            "requirements": pins,
        }
        report = publish_report(context, about, None, model.ref)
        meta = {**about, "lineage": {"model": model.ref.digest, "identity": context.identity}}
        published = store.publish(context.workflow, "images", folder, meta)
    size = about["bytes"]
    summary = f"A bundle of {size / 1e6:,.1f} MB, {'signed' if about['signed'] else 'not signed'}. {tried}."
    ref = ImageRef(uri=published.uri, digest=published.digest)
    metrics = {"bytes": float(size), "libraries": float(len(pins))}
    return Outcome(outputs={"image": ref, "report": report}, metrics=metrics, summary=summary, details=about)


def _write(folder: Path, model: LoadedModel, pins: list[str], context: RunContext) -> None:
    (folder / "__main__.py").write_text(_MAIN)
    (folder / "requirements.txt").write_text("".join(f"{pin}\n" for pin in pins))
    copy_model(model, folder / "model", context.workflow)
    everything = folder / ".all"
    everything.mkdir()
    environment.copy_ours(everything, packages=["mlops_provider"])
    for name in _KEPT:
        source, target = everything / "mlops_provider" / name, folder / "mlops_provider" / name
        target.parent.mkdir(exist_ok=True)
        shutil.move(source, target)
    shutil.rmtree(everything)
    environment.copy_loader(model.content.folder, folder)
    lineage = {
        "workflow": context.workflow,
        "run": context.run_id,
        "model": model.ref.digest,
        "data": model.lineage.get("data", ""),
        "version": model.ref.version,
        "code": version(environment.OURS),
        "python": model.content.meta.get("python", ""),
        "allowed_imports": list(context.allowed_imports),
        "trusted_types": list(context.trusted_types),
    }
    (folder / "bundle.json").write_bytes(json_bytes(lineage))


def _try(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-B", "-s", str(folder), "--check"], capture_output=True, text=True, timeout=180, check=False,
        cwd=folder,
    )  # fmt: skip
    if done.returncode:
        raise ImageError(f"the bundle does not answer its golden rows: {done.stderr.strip()[-1500:]}")
    return done.stdout.strip()
