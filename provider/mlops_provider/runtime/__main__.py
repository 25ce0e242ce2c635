"""Run one phase from the command line, where Airflow is not: `python -m mlops_provider.runtime PHASE JSON`.

JSON (or `-` to read it from standard input) is an object with `spec` ('module:Class'), `config`, `inputs` (field ->
list of references), `context` and, for a phase type that is not ours, `function` (the module whose `run` does the
work). The last line of the output is what goes to XCom. The exit code is 0, 1 (a terminal
error), 2 (usage) or 75 (a retry may help).
"""

from __future__ import annotations

import json
import sys
import traceback
from importlib import import_module
from typing import Any

from mlops_provider.exceptions import ConfigError, MlopsError

TERMINAL, USAGE, RETRYABLE = 1, 2, 75


def main(arguments: list[str]) -> int:
    """Run the phase; errors go to standard error. What is not ours to judge may be retried, as Airflow does."""
    try:
        phase, text = arguments
    except ValueError:
        print("usage: python -m mlops_provider.runtime PHASE JSON", file=sys.stderr)  # noqa: T201 (a command's output)
        return USAGE
    try:
        result = _run(phase, sys.stdin.read() if text == "-" else text)
    except MlopsError as err:
        print(err, file=sys.stderr)  # noqa: T201 (a command's output)
        return RETRYABLE if err.retryable else TERMINAL
    except Exception:  # noqa: BLE001 (whatever it is, the caller has to know whether to try again)
        traceback.print_exc()
        return RETRYABLE
    print(json.dumps(result), flush=True)  # noqa: T201 (a command's output)
    return 0


def _run(phase: str, text: str) -> dict[str, Any]:
    from pydantic import ValidationError

    from mlops_provider.refs import ref_from_dict
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.phase import FUNCTIONS, run_phase
    from mlops_provider.store.trust import Trust

    try:
        task = json.loads(text)
        function = task.get("function", "")
        module, _, name = task["spec"].partition(":")
        config = getattr(import_module(module), name).model_validate(task["config"])
        inputs = {field: [ref_from_dict(ref) for ref in refs] for field, refs in task["inputs"].items()}
        trust = Trust.from_environment()  # unless the task says what it may import and load
        defaults = {"allowed_imports": trust.imports, "trusted_types": trust.types}
        context = RunContext.from_dict({**defaults, **task["context"], "phase_type": phase})
    except ValidationError as err:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in err.errors())
        raise ConfigError(f"the config of '{phase}' is wrong: {problems}") from err
    except (ValueError, KeyError, TypeError, AttributeError, ImportError) as err:
        message = f"the task of '{phase}' cannot be read: {type(err).__name__}: {err}"
        raise ConfigError(message, hint="it is an object with spec, config, inputs and context") from err
    if not function and phase not in FUNCTIONS:
        known = f"known: {', '.join(FUNCTIONS)}; or give the module of another as 'function'"
        raise ConfigError(f"there is no phase type '{phase}'", hint=known)
    return run_phase(config, inputs, context, function=function).to_xcom()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
