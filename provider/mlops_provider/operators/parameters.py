"""The values of a run's parameters: as given, from a preset, or as people answered while the run went on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from airflow.sdk import Context

PRESET = "preset"
"""Name of the parameter that chooses a preset; its schema holds the presets and the defaults that they replace."""
SCENE = "scene"
"""Name of the parameter that chooses a scene; its schema holds the scenes."""
SCENE_RUN = "scene_run"
"""Name of the parameter that names the run whose results a scene starts from."""
NONE = "none"
"""What the form shows where nothing is chosen: Airflow's form takes an empty choice for a mistake."""
CHOICES = frozenset({PRESET, SCENE, SCENE_RUN})


class Parameters(Mapping[str, Any]):
    """What `params` and `parameters` mean in a phase.

    A preset's value counts where the run left the default. `asked` maps parameters to the tasks that ask for them:
    their answers are read when they are first used.
    """

    def __init__(self, context: Context, asked: Mapping[str, str], own: Mapping[str, Any] | None = None) -> None:
        self._context = context
        self._asked = asked
        self._values: dict[str, Any] = {**_with_preset(context), **(own or {})}

    def __getitem__(self, name: str) -> Any:
        """Give a value; ConfigError where people have not been asked yet."""
        if name in self._asked and name not in self._values:
            answer = self._context["ti"].xcom_pull(task_ids=self._asked[name])
            if not isinstance(answer, Mapping):
                raise ConfigError(f"nobody has been asked for the parameter '{name}'")
            self._values |= answer["values"]
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names of what is known now."""
        return iter(self._values)

    def __len__(self) -> int:
        """Say how many are known now."""
        return len(self._values)


def chosen(context: Context, name: str) -> str:
    """Give what a run was started with to choose a preset, a scene or the scene's run; nothing by default."""
    value = (context["dag_run"].conf or {}).get(name)
    return "" if value in {None, NONE} else str(value)


def chosen_scene(context: Context) -> tuple[str, list[str]]:
    """Give the run's scene and its phases; nothing where all phases run."""
    name = chosen(context, SCENE)
    return name, _schema(context, SCENE).get("scenes", {}).get(name, []) if name else []


def _with_preset(context: Context) -> dict[str, Any]:
    given = {name: value for name, value in context["params"].items() if name not in CHOICES}
    preset = chosen(context, PRESET)
    if not preset:
        return given
    schema = _schema(context, PRESET)
    for name, value in schema["presets"].get(preset, {}).items():
        if name not in given or given[name] == schema["defaults"].get(name):
            given[name] = value
    return given


def _schema(context: Context, name: str) -> dict[str, Any]:
    params = context["dag"].params
    return dict(params.get_param(name).schema) if name in params else {}
