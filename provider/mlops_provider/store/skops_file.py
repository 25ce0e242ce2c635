"""skops files: written so that equal models have equal bytes, read only with types that we trust.

skops names the parts of a model after memory addresses and dates its zip entries; both are replaced here by
numbers in order of appearance. Source of the format: skops.io (https://skops.readthedocs.io).
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)

TRUSTED = (
    "numpy.dtype",
    "scipy.interpolate._interpolate.interp1d",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogLink",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.AbsoluteError",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfGammaLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss.loss.PinballLoss",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
"""Types of scikit-learn's own models that skops does not trust by itself: data holders without behaviour at load."""

_BROKEN = (OSError, KeyError, ValueError, TypeError, AttributeError, ImportError, zipfile.BadZipFile)


def dumps(model: Any) -> bytes:
    """Give the bytes of a model; the same for equal models."""
    skops_io = _skops_io()

    source = zipfile.ZipFile(io.BytesIO(skops_io.dumps(model)))
    schema = json.loads(source.read(_SCHEMA))
    names: dict[str, str] = {}
    _renumber(schema, {}, names)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for old, new in names.items():
            file.writestr(zipfile.ZipInfo(new, _EPOCH), source.read(old), zipfile.ZIP_DEFLATED)
        file.writestr(zipfile.ZipInfo(_SCHEMA, _EPOCH), json.dumps(schema), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def load(path: Path, *, trusted: Iterable[str] = ()) -> Any:
    """Load a model whose types are all trusted; otherwise ModelLoadError names the others."""
    skops_io = _skops_io()

    used = require_trusted(path, trusted)
    try:
        return skops_io.load(path, trusted=used)
    except _BROKEN as err:
        raise ModelLoadError(f"{path.name} cannot be loaded: {err}") from err


def require_trusted(path: Path, trusted: Iterable[str] = ()) -> list[str]:
    """Give the types in a file that skops leaves to us; ModelLoadError names those that are not trusted."""
    skops_io = _skops_io()

    try:
        found = skops_io.get_untrusted_types(file=path)
    except _BROKEN as err:
        raise ModelLoadError(f"{path.name} cannot be loaded: {err}") from err
    unknown = sorted(set(found) - {*TRUSTED, *trusted})
    if unknown:
        raise ModelLoadError(
            f"{path.name} holds types that are not trusted: {', '.join(unknown)}",
            hint="use an estimator of scikit-learn, or let the deployment name them in [mlops] trusted_types",
        )
    return sorted(found)


_BRIDGES = tuple(f"sklearn.externals.array_api_compat.{name}" for name in ("cupy", "dask", "torch"))
"""Parts of scikit-learn that import whole other libraries, where those are installed."""


def _skops_io() -> Any:
    """Import skops without PyTorch and Dask: it looks through every package of scikit-learn, these three among them.

    For a thousand names it then asks every module of the process; those that warn whoever asks are not heard.
    """
    if "skops.io" in sys.modules:
        return sys.modules["skops.io"]
    hidden: dict[str, Any] = {name: None for name in _BRIDGES if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        with warnings.catch_warnings(action="ignore"):
            return importlib.import_module("skops.io")
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _renumber(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Number ids and files in order of appearance, in place."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers, names)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        file = node.get("file")
        if isinstance(file, str) and "__loader__" in node:
            suffix = file.rpartition(".")[2]
            node["file"] = names.setdefault(file, f"{len(names)}.{suffix}")
        for value in node.values():
            _renumber(value, numbers, names)
