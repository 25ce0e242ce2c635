"""Waits for a version of a registered model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException

from mlops_provider.exceptions import ConfigError, MlopsError

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow.sdk import Context

    from mlops_provider.refs import ModelRef

_ALIASES = ("champion", "challenger")


class ModelVersionSensor(BaseSensorOperator):
    """Wait until a model has a champion, a challenger or a version of a number; give its reference.

    `name` is its name in the registry; `alias` is 'champion' or 'challenger'; `version` waits for that number instead.
    With `newer_than` the alias must point at a version of a higher number. The wait is in the triggerer, which looks
    every `poll_interval` seconds; with `deferrable=False` a worker looks.
    """

    template_fields: Collection[str] = ("name", "alias", "version", "newer_than")
    ui_color = "#dff0d8"

    def __init__(
        self,
        *,
        name: str,
        alias: str = "champion",
        version: str | int | None = None,
        newer_than: str | int | None = None,
        poll_interval: float = 10.0,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poll_interval, **kwargs)
        self.name = name
        self.alias = alias
        self.version = version
        self.newer_than = newer_than
        self.poll_interval = poll_interval
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Look once; where it is not there yet, wait."""
        if not self.deferrable:
            return super().execute(context)
        found = self._find()
        if found is not None:
            return found.to_dict()

        from mlops_provider.settings import Settings
        from mlops_provider.triggers.model_version import ModelVersionTrigger

        self.log.info("%s is not there yet", self._said())
        trigger = ModelVersionTrigger(
            store_url=Settings.from_airflow().store_url,
            name=self.name,
            wanted=self._wanted(),
            poll_interval=self.poll_interval,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (Airflow's signature)
        """Give what arrived."""
        if "error" in event:
            raise AirflowFailException(event["error"])
        found: dict[str, Any] = event["version"]
        self.log.info("version %s of %s is there", found["version"], self.name)
        return found

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 (Airflow's signature)
        """Look once."""
        found = self._find()
        return PokeReturnValue(is_done=found is not None, xcom_value=found.to_dict() if found else None)

    def _find(self) -> ModelRef | None:
        from mlops_provider.runtime.arrived_version import find_version
        from mlops_provider.settings import Settings
        from mlops_provider.store.store import Store

        try:
            return find_version(Store(Settings.from_airflow().store_url), self.name, **self._wanted())
        except MlopsError as err:
            if err.retryable:
                raise
            raise AirflowFailException(str(err)) from err

    def _wanted(self) -> dict[str, Any]:
        if self.alias not in _ALIASES:
            error = ConfigError(f"there is no alias '{self.alias}'", hint=f"it is one of {', '.join(_ALIASES)}")
            raise AirflowFailException(str(error)) from error
        chosen = {"version": self.version, "newer_than": self.newer_than}
        return {"alias": self.alias} | {name: str(value) for name, value in chosen.items() if value not in (None, "")}

    def _said(self) -> str:
        if self.version not in (None, ""):
            return f"version {self.version} of {self.name}"
        newer = f" newer than version {self.newer_than}" if self.newer_than not in (None, "") else ""
        return f"a {self.alias} of {self.name}{newer}"
