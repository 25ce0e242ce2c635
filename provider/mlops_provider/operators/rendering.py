"""How a phase's config is rendered: Airflow's Jinja with `parameters` and `phases`; one expression keeps its type."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

_ONE_EXPRESSION = re.compile(r"^\s*\{\{((?:(?!\{\{|\}\}).)*)\}\}\s*$", re.DOTALL)


class PhaseRendering:
    """Rendering for operators of phases; stands before Airflow's operator class among the bases."""

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render with `parameters` and `phases` beside Airflow's own names."""
        scope: MutableMapping[str, Any] = context
        scope["parameters"] = context["params"]
        scope["phases"] = PhaseOutputs(context)
        super().render_template_fields(context, jinja_env)  # type: ignore[misc]

    def render_template(self, content: Any, context: Context, *args: Any, **kwargs: Any) -> Any:
        """Keep the type of a value that is one expression."""
        if isinstance(content, str) and (match := _ONE_EXPRESSION.match(content)):
            import jinja2

            environment = args[0] if args else kwargs.get("jinja_env") or self.get_template_env()  # type: ignore[attr-defined]
            try:
                compiled = environment.compile_expression(match[1].strip(), undefined_to_none=False)
                value = compiled(**context)
            except jinja2.TemplateError as err:
                raise ConfigError(f"'{content}' cannot be rendered: {err}") from err
            if isinstance(value, jinja2.Undefined):
                raise ConfigError(f"'{content}' cannot be rendered: a name in it is not defined")
            return value
        return super().render_template(content, context, *args, **kwargs)  # type: ignore[misc]


class PhaseOutputs:
    """What `phases` means in Jinja: `phases.<phase>.outputs.<output>.<field>`, `.metrics.<name>`, `.verdict`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getattr__(self, phase: str) -> dict[str, Any]:
        """Read a phase's record."""
        from mlops_provider.runtime.records import read_record
        from mlops_provider.settings import Settings
        from mlops_provider.store.store import Store

        value = returned(self._context, phase)
        record = read_record(Store(Settings.from_airflow().store_url), value["record"])
        outputs = _Outputs({name: dict(ref) for name, ref in record["outputs"].items()})
        verdict = record["verdict"]["status"] if record["verdict"] else None
        return {"outputs": outputs, "metrics": record["metrics"], "verdict": verdict}


class _Outputs(dict[str, Any]):
    """Outputs by name; fields of a single one directly, so that `outputs.url` works."""

    def __missing__(self, key: str) -> Any:
        only = list(self.values())
        if len(only) == 1 and key in only[0]:
            return only[0][key]
        raise KeyError(key)


def returned(context: Context, task_id: str) -> dict[str, Any]:
    """Give what a phase's task returned; ConfigError when it returned no references."""
    value = context["ti"].xcom_pull(task_ids=task_id)
    if not isinstance(value, Mapping) or "record" not in value:
        raise ConfigError(
            f"phase '{task_id}' gave no references", hint="was it skipped, or is it not a phase of this workflow?"
        )
    return dict(value)
