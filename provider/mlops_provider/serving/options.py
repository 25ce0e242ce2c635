"""Options: everything that the operator of a server decides, in one value that reaches every worker as JSON."""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from mlops_provider.exceptions import ConfigError
from mlops_provider.serving.callers import Callers, TokenRules
from mlops_provider.serving.limits import Limits
from mlops_provider.store.store import MANIFEST

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client keeps the numbers of several processes; it reads the variable when it is imported."""
_ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 (recognised, not bound to)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What to serve, where, to whom and how much.

    `service` is (workflow, environment), or None for every service of the store. `token` and `keys` are secrets: they
    reach workers through a pipe, never through arguments. `public_url` is where others reach the server, when that is
    not `host` and `port`. `model_folder` is one published model to serve instead of what the records of a store name;
    an empty `store_url` then means that predictions are not logged.
    `engine` 'onnx' predicts by ONNX Runtime where its answers are those of scikit-learn.
    """

    store_url: str
    service: tuple[str, str] | None = None
    host: str = "127.0.0.1"
    port: int = 8600
    workers: int = 1
    public_url: str = ""
    token: str = field(default="", repr=False)
    keys: str = field(default="", repr=False)
    keys_file: str = ""
    jwt_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    request_log: Literal["all", "errors", "none"] = "errors"
    log_format: Literal["json", "text"] = "json"
    engine: Literal["scikit-learn", "onnx"] = "scikit-learn"
    drain_seconds: float = 0.0
    model_folder: str = ""
    limits: Limits = field(default_factory=Limits)

    def check(self) -> None:
        """Refuse what cannot work before anything starts."""
        if self.workers < 1:
            raise ConfigError(f"{self.workers} workers cannot serve", hint="give 1 or more")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigError("TLS needs a certificate and its key", hint="give both --tls-cert and --tls-key")
        if self.model_folder and not Path(self.model_folder, MANIFEST).is_file():
            raise ConfigError(f"{self.model_folder} is not the folder of a published model: it has no {MANIFEST}")
        for file in (self.tls_cert, self.tls_key, self.keys_file, self.jwt_file):
            if file and not Path(file).is_file():
                raise ConfigError(f"there is no file {file}")
        if self.tls_cert:
            self._check_tls()
        self.callers()

    def callers(self) -> Callers:
        """Make what knows the callers."""
        return Callers(
            keys_file=Path(self.keys_file) if self.keys_file else None,
            keys=self.keys,
            token=self.token,
            rules=TokenRules.read(Path(self.jwt_file)) if self.jwt_file else None,
        )

    @property
    def base_url(self) -> str:
        """Where others reach the server."""
        scheme = "https" if self.tls_cert else "http"
        name = socket.gethostname() if self.host in _ANY else self.host
        return self.public_url.rstrip("/") or f"{scheme}://{name}:{self.port}"

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form; it holds the secrets."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Make options from their JSON form."""
        service = tuple(value["service"]) if value["service"] else None
        return cls(**{**value, "service": service, "limits": Limits(**value["limits"])})

    def _check_tls(self) -> None:
        import ssl

        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.tls_cert, self.tls_key)
        except (ssl.SSLError, OSError) as err:
            raise ConfigError(f"{self.tls_cert} and {self.tls_key} are not a certificate and its key: {err}") from err
