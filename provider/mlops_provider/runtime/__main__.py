"""Run one phase from the command line, where Airflow is not: `python -m mlops_provider.runtime PHASE JSON`.

JSON is an object with `spec` ('module:Class'), `config`, `inputs` (field -> list of references), `context` and, for a
phase type that is not ours, `function` (the module whose `run` does the work). In its place may stand `-`: it comes
through standard input; `@FILE`: it is in a file; or `--attached`: it is the first line of standard input, and the work
ends when that input does. The last line of the output is what goes to XCom; with `--result FILE` it is written there
too. The exit code is 0, 1 (a terminal error), 2 (usage) or 75 (a retry may help).
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (an image may have any Python)
    sys.exit(f"this Python is {sys.version.split()[0]}; airflow-provider-mlops needs 3.11 or later")

import json
import logging
import os
import traceback
from pathlib import Path
from typing import Any

from mlops_provider.exceptions import ConfigError, MlopsError

TERMINAL, USAGE, RETRYABLE = 1, 2, 75
_USAGE = "usage: python -m mlops_provider.runtime PHASE (JSON | - | @FILE | --attached) [--result FILE]"


def main(arguments: list[str]) -> int:
    """Run the phase; errors go to standard error. What is not ours to judge may be retried, as Airflow does."""
    phase, text, *more = [*arguments, "", ""][: max(2, len(arguments))]
    if not text or (more and (len(more) != 2 or more[0] != "--result")):  # noqa: PLR2004 (the option and its value)
        print(_USAGE, file=sys.stderr)  # noqa: T201 (a command's output)
        return USAGE
    target = Path(more[1]) if more else None
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    try:
        result = _run(phase, _read(text))
    except MlopsError as err:
        print(err, file=sys.stderr)  # noqa: T201 (a command's output)
        return RETRYABLE if err.retryable else TERMINAL
    except Exception:  # noqa: BLE001 (whatever it is, the caller has to know whether to try again)
        traceback.print_exc()
        return RETRYABLE
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(result))
    print(json.dumps(result), flush=True)  # noqa: T201 (a command's output)
    return 0


def _read(text: str) -> str:
    if text == "--attached":
        from mlops_provider.runtime.places.attached import read_attached

        return read_attached()
    if text == "-":
        return sys.stdin.read()
    try:
        return Path(text[1:]).read_text() if text.startswith("@") else text
    except OSError as err:
        raise ConfigError(f"the task cannot be read: {err}") from err


def _run(phase: str, text: str) -> dict[str, Any]:
    from pydantic import ValidationError

    from mlops_provider.runtime.phase import FUNCTIONS
    from mlops_provider.runtime.places.elsewhere import run_here
    from mlops_provider.runtime.places.work import Work

    work = Work.read(phase, text)
    os.environ.update(work.variables)
    try:
        config = work.validated()
    except ValidationError as err:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in err.errors())
        raise ConfigError(f"the config of '{phase}' is wrong: {problems}") from err
    except (ImportError, AttributeError) as err:
        message = f"the task of '{phase}' cannot be read: {type(err).__name__}: {err}"
        raise ConfigError(message, hint="'spec' is the class of its config, as module:Class") from err
    if not work.function and phase not in FUNCTIONS:
        known = f"known: {', '.join(FUNCTIONS)}; or give the module of another as 'function'"
        raise ConfigError(f"there is no phase type '{phase}'", hint=known)
    return run_here(work, config).to_xcom()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
