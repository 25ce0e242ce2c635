"""The recipe of an image: where things lie, who runs them and how; the same as a Dockerfile, to be reviewed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.runtime.contract import RunContext

ROOT = "/opt/mlops"
PORT = 8600
USER = "50000:50000"
PARTS = {"lib": "libraries", "code": "airflow-provider-mlops", "model": "the model"}
"""Folder below the root -> what is in it, in the order of the layers: what changes least comes first."""
DOCKERIGNORE = "*\n!lib\n!code\n!model\n**/.*\n!lib/**\n!model/**\n"
_READY = (
    f"import urllib.request,sys;sys.exit(urllib.request.urlopen('http://127.0.0.1:{PORT}/ready',timeout=4).status!=200)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What stands in the image's config beside its layers. `port` 0: it serves nothing."""

    base: str
    parts: tuple[str, ...]
    variables: dict[str, str]
    labels: dict[str, str]
    entrypoint: list[str]
    command: list[str] = field(default_factory=list)
    port: int = 0
    user: str = USER
    work: str = ROOT
    health: tuple[str, ...] = ("python3", "-c", _READY)

    def dockerfile(self) -> str:
        """Write the recipe as a Dockerfile."""
        lines = ["# Written by the phase that packaged the model; the folders lie beside it.", f"FROM {self.base}"]
        lines += [f"# {PARTS[part]}\nCOPY --chown=0:0 {part} {ROOT}/{part}" for part in self.parts]
        lines += [f"ENV {name}={json.dumps(value)}" for name, value in self.variables.items()]
        lines += [f"LABEL {name}={json.dumps(value)}" for name, value in self.labels.items()]
        lines += [f"WORKDIR {self.work}", f"USER {self.user}", "STOPSIGNAL SIGTERM"]
        if self.port:
            health = "HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3"
            lines += [f"EXPOSE {self.port}", f"{health} CMD {json.dumps(list(self.health))}"]
        lines += [f"ENTRYPOINT {json.dumps(self.entrypoint)}"]
        lines += [f"CMD {json.dumps(self.command)}"] if self.command else []
        return "\n".join(lines) + "\n"


def recipe(purpose: str, base: str, labels: Mapping[str, str], context: RunContext) -> Recipe:
    """Give the recipe of an image that serves a model, or that runs phases."""
    variables = {
        "PYTHONPATH": f"{ROOT}/lib:{ROOT}/code",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": "/dev/shm",  # noqa: S108 (what a container can write when its root is read-only)
        "AIRFLOW__MLOPS__ALLOWED_IMPORTS": ",".join(context.allowed_imports),
        "AIRFLOW__MLOPS__TRUSTED_TYPES": ",".join(context.trusted_types),
    }
    if purpose == "training":
        return Recipe(
            base=base, parts=("lib", "code"), variables=variables, labels=dict(labels),
            entrypoint=["python3", "-m", "mlops_provider.runtime"],
        )  # fmt: skip
    return Recipe(
        base=base, parts=("lib", "code", "model"), variables=variables, labels=dict(labels),
        entrypoint=["python3", "-m", "mlops_dag_factory.cli.main", "serve"],
        command=["--model-folder", f"{ROOT}/model", "--host", "0.0.0.0", "--port", str(PORT)],  # noqa: S104 (inside the container)
        port=PORT,
    )  # fmt: skip


def lineage_labels(context: RunContext, *, model: str, data: str, name: str, version: str, code: str) -> dict[str, str]:
    """Give the labels that say what an image was made of; none depends on when."""
    labels = {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": version,
        "mlops.workflow": context.workflow,
        "mlops.run": context.run_id,
        "mlops.model": model,
        "mlops.data": data,
        "mlops.code": code,
    }
    return {label: value for label, value in sorted(labels.items()) if value}
