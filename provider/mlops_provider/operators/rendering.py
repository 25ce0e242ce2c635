"""How a phase is rendered: Airflow's Jinja with `parameters`, `phases` and `item`; an expression keeps its type."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError
from mlops_provider.operators.admission import decide
from mlops_provider.operators.parameters import Parameters
from mlops_provider.operators.results import Skip, results_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping, Sequence

    from airflow.sdk import Context

_ONE_EXPRESSION = re.compile(r"^\s*\{\{((?:(?!\{\{|\}\}).)*)\}\}\s*$", re.DOTALL)


class PhaseRendering:
    """What all operators of phases share; stands before Airflow's operator class among the bases.

    The attributes below are what the workflow says about when and with what the phase runs: `control` holds those that
    differ from their defaults. They are part of the serialized DAG, so that a change of them is a new version.
    """

    phase: str = ""
    inputs: Mapping[str, Sequence[Sequence[str]]] = {}
    """Input field -> pairs of a phase and its output; `model[*]` is every item of a repeated phase, `model[i]` the same
    item as this task's."""
    after: Sequence[str] = ()
    """The phases that come first without handing over data, where it matters whether they ran."""
    when: str = ""
    """Condition without which the phase is skipped."""
    rejoins: bool = False
    """True where phases before this one may have been left out: it takes what really ran."""
    on_running: str = "queue"
    """What happens when a run is due while one is running."""
    item: Mapping[str, Any] | None = None
    """The item that a repeated phase works on."""
    asked: Mapping[str, str] = {}
    """Parameter -> the task that asks for it."""
    overrides: Sequence[Mapping[str, Any]] = ()
    """The values of an inline sub-workflow's parameters, the outermost first; each may be Jinja over the one before."""
    prefix: str = ""
    """What stands before the names of the phases of an inline sub-workflow."""
    cache: bool | float = False
    """True, or the age in seconds up to which an earlier result is taken again."""
    place: Mapping[str, Any] = {}
    """Where the phase runs, as its resources say; nothing: in the worker."""

    decision: Skip | Exception | None = None
    """Why this phase does not run, once that is decided."""

    control: Mapping[str, Any] = {}
    control_text: str = ""

    def take(self, control: Mapping[str, Any]) -> None:
        """Set the attributes above."""
        if not control:
            return  # Airflow looks at every attribute that is set: most phases need none
        self.control = dict(control)
        self.control_text = json.dumps(control, sort_keys=True)  # Airflow does not restore maps
        for name, value in control.items():
            setattr(self, name, value)

    @classmethod
    def get_serialized_fields(cls) -> frozenset[str]:
        """Give Airflow's fields and the text of `control`."""
        fields: frozenset[str] = super().get_serialized_fields()  # type: ignore[misc]
        return fields | {"control_text"}

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, *args: Any, **kwargs: Any
    ) -> None:
        """Render with this phase's names beside Airflow's own; mapped tasks come here too.

        What is left out is not rendered: its templates may read what nobody made.
        """
        add_names(self, context)
        self.decision = decide(self, context)
        if self.decision is not None:
            return
        super()._do_render_template_fields(parent, template_fields, context, *args, **kwargs)  # type: ignore[misc]

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


def add_names(operator: PhaseRendering, context: Context) -> None:
    """Put `params`, `parameters`, `phases`, `reason` and `item` of a phase into its context."""
    scope: MutableMapping[str, Any] = context
    if not isinstance(scope["params"], Parameters):
        scope["params"] = scope["parameters"] = Parameters(context, operator.asked)
    scope["phases"] = PhaseOutputs(context, operator.prefix)
    scope["reason"] = Reason(context)
    if operator.item is not None:
        scope["item"] = operator.item
    for values in operator.overrides:
        rendered = operator.render_template(dict(values), context)
        scope["params"] = scope["parameters"] = rendered


class Reason:
    """What `reason` means in Jinja: `reason.window`, `reason.why` … of a run that a monitor asked for, else nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        """Give a part of what the asset event says; '' where the run has another reason."""
        if name.startswith("_"):
            raise AttributeError(name)
        from mlops_provider.operators.phase import run_reason

        payload = run_reason(self._context).get("payload")
        return payload.get(name, "") if isinstance(payload, dict) else ""


class PhaseOutputs:
    """What `phases` means in Jinja: `phases.<phase>.outputs.<output>.<field>`, `.metrics.<name>`, `.verdict`."""

    def __init__(self, context: Context, prefix: str = "") -> None:
        self._context = context
        self._prefix = prefix

    def __getattr__(self, phase: str) -> dict[str, Any]:
        """Read a phase's record."""
        from mlops_provider.runtime.records import read_record
        from mlops_provider.settings import Settings
        from mlops_provider.store.store import Store

        value = results_of(self._context).get(self._prefix + phase)
        record = read_record(Store(Settings.from_airflow().store_url), value["record"])
        outputs = _Outputs({name: dict(ref) for name, ref in record["outputs"].items()})
        return {"outputs": outputs, "metrics": record["metrics"], "verdict": value["verdict"]}


class _Outputs(dict[str, Any]):
    """Outputs by name; fields of a single one directly, so that `outputs.url` works."""

    def __missing__(self, key: str) -> Any:
        only = list(self.values())
        if len(only) == 1 and key in only[0]:
            return only[0][key]
        raise KeyError(key)
