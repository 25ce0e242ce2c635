"""Make what a workflow names by its class and parameters: an estimator, a transformer."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REPEATABLE: dict[str, dict[str, Any]] = {
    "lightgbm": {"deterministic": True, "force_col_wise": True, "verbosity": -1},
}
"""Library -> parameters without which equal data does not give equal models, or that only make noise.

Source: https://lightgbm.readthedocs.io/en/stable/Parameters.html#deterministic
"""
_TYPING = 0.85
"""How alike an unknown name is to a known one where it is a slip, for classes that also take names they do not list."""


def construct(cls: Any, name: str, parameters: Mapping[str, Any], seed: int, *, wants: Iterable[str]) -> Any:
    """Make an object with its parameters and the seed; ConfigError where the class or a parameter is not what it takes.

    `wants` are the methods that it must have.
    """
    lacks = [method for method in wants if not callable(getattr(cls, method, None))]
    if not isinstance(cls, type) or lacks:
        reason = f"it has no {' and no '.join(lacks)}" if isinstance(cls, type) else "it is no class"
        raise ConfigError(f"'{name}' does not fit here: {reason}", hint=f"name a class with {', '.join(wants)}")
    allowed, open_ended = _parameters(cls)
    for given in sorted(set(parameters) - set(allowed)):
        close = get_close_matches(given, allowed, n=1, cutoff=_TYPING if open_ended else 0.6)
        if close or not open_ended:
            meant = f"did you mean '{close[0]}'? " if close else ""
            raise ConfigError(f"'{name}' has no parameter {given}", hint=f"{meant}allowed: {', '.join(allowed)}")
    defaults = dict(_REPEATABLE.get(cls.__module__.partition(".")[0], {}))
    if "random_state" in allowed:
        defaults["random_state"] = seed
    try:
        return cls(**{**defaults, **parameters})
    except (TypeError, ValueError) as err:
        raise ConfigError(f"'{name}' cannot be made: {err}", hint="give its 'parameters'") from err


def _parameters(cls: type) -> tuple[list[str], bool]:
    """Give the parameters that a class names, and whether it takes others too."""
    given = list(inspect.signature(cls).parameters.values())
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in given)
    if hasattr(cls, "_get_param_names"):  # scikit-learn's estimators, also those that hand parameters on
        return list(cls._get_param_names()), open_ended
    return [p.name for p in given if p.kind in {p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD}], open_ended
