"""The files of a fitted model: one in skops format, or those of a class that saves and loads itself. Never a pickle.

A class with `save(folder: Path)` and a classmethod `load(folder: Path)` writes what it likes into the folder `model`;
`loader.json` names it. Both are files of the content, so that the digest of the model covers them: by the time the
class is imported, every byte was compared and its name lies within the prefixes that the deployment allows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, ImportNotAllowedError, ImportNotFoundError, ModelLoadError
from mlops_provider.imports import import_allowed
from mlops_provider.store import skops_file

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_provider.store.trust import Trust

MODEL_FILE = "model.skops"
LOADER_FILE = "loader.json"
OWN_FOLDER = "model"


def saves_itself(model: Any) -> bool:
    """Say whether the model's class writes and reads its own files."""
    return callable(getattr(type(model), "save", None)) and callable(getattr(type(model), "load", None))


def write_model(folder: Path, model: Any, trust: Trust) -> None:
    """Write a model; one that could not be loaded again raises an MlopsError that says why."""
    if not saves_itself(model):
        (folder / MODEL_FILE).write_bytes(skops_file.dumps(model))
        skops_file.require_trusted(folder / MODEL_FILE, trust.types)
        return
    loader = f"{type(model).__module__}:{type(model).__qualname__}"
    if import_allowed(loader, trust.imports) is not type(model):
        raise ConfigError(f"'{loader}' is not the class of the model", hint="define it at the top of its module")
    (folder / OWN_FOLDER).mkdir()
    model.save(folder / OWN_FOLDER)
    if not any(path.is_file() for path in (folder / OWN_FOLDER).rglob("*")):
        raise ConfigError(f"'{loader}.save' wrote no file", hint="write everything that 'load' needs into the folder")
    (folder / LOADER_FILE).write_text(json.dumps({"loader": loader}))


def read_model(folder: Path, trust: Trust) -> Any:
    """Load what `write_model` wrote, from files whose bytes were checked; ModelLoadError where trust ends."""
    if (folder / MODEL_FILE).exists():
        return skops_file.load(folder / MODEL_FILE, trusted=trust.types)
    if not (folder / LOADER_FILE).exists():
        raise ModelLoadError(f"the model holds neither {MODEL_FILE} nor {LOADER_FILE}")
    loader = str(json.loads((folder / LOADER_FILE).read_text())["loader"])
    try:
        cls: Any = import_allowed(loader, trust.imports)
    except (ImportNotAllowedError, ImportNotFoundError) as err:
        raise ModelLoadError(f"the model cannot be loaded: {err.message}", hint=err.hint) from err
    if not callable(getattr(cls, "load", None)):
        raise ModelLoadError(f"'{loader}' is not a class with 'load'")
    try:
        model = cls.load(folder / OWN_FOLDER)
    except Exception as err:
        raise ModelLoadError(f"'{loader}.load' failed: {type(err).__name__}: {str(err)[:400]}") from err
    if not hasattr(model, "predict"):
        raise ModelLoadError(f"'{loader}.load' gave {type(model).__name__}, which cannot predict")
    return model
