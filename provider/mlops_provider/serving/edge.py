"""Predict on a device, from a bundle: rows as JSON lines in, predictions as JSON lines out. No server."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError, RequestError
from mlops_provider.serving.model import ServedModel, load_served
from mlops_provider.serving.model_folder import folder_version
from mlops_provider.serving.payload import Rows
from mlops_provider.store.store import Store
from mlops_provider.store.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ROWS = 1000


def main(home: Path, arguments: list[str]) -> int:
    """Answer the rows of standard input, or check the bundle's golden rows; 0 when all went well."""
    parser = argparse.ArgumentParser(prog=f"python {home.name}", description="One JSON object of features in a line.")
    parser.add_argument("--check", action="store_true", help="compare the golden rows and end")
    given = parser.parse_args(arguments)
    try:
        served = open_bundle(home)
        if given.check:
            sys.stdout.write(f"{len(served.loaded.golden())} golden rows are answered as in training\n")
            return 0
        for answer in answers(served, sys.stdin):
            sys.stdout.write(json.dumps(answer) + "\n")
    except MlopsError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    return 0


def open_bundle(home: Path) -> ServedModel:
    """Load the model of a bundle: its digest and its golden rows are compared."""
    said = json.loads((home / "bundle.json").read_text())
    trust = Trust(types=tuple(said["trusted_types"]), imports=tuple(said["allowed_imports"]))
    _, version = folder_version(home / "model")
    return load_served(Store(home, trust), version)


def answers(served: ServedModel, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Give an answer for each line; RequestError names the line that is not a row."""
    waiting: list[list[Any]] = []
    names = served.features.names
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            waiting.append([row[name] for name in names])
        except (ValueError, TypeError, KeyError) as err:
            what = f"lacks {err}" if isinstance(err, KeyError) else "is not a JSON object"
            raise RequestError(f"line {number} {what}", hint=f"features: {', '.join(names)}") from err
        if len(waiting) == _ROWS:
            yield from _predict(served, names, waiting)
            waiting = []
    if waiting:
        yield from _predict(served, names, waiting)


def _predict(served: ServedModel, names: list[str], cells: list[list[Any]]) -> Iterator[dict[str, Any]]:
    answer = served.predict(Rows(names, cells))
    for row, prediction in enumerate(answer.predictions.tolist()):
        found: dict[str, Any] = {"prediction": prediction}
        if answer.probabilities is not None:
            found["probabilities"] = answer.probabilities[row].tolist()
        yield found
