"""Whether a registered name has the version that somebody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mlops_provider.exceptions import ConfigError
from mlops_provider.refs import ModelRef
from mlops_provider.store.model_versions import read_version
from mlops_provider.store.standing import read_standing

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

Alias = Literal["champion", "challenger"]


def find_version(
    store: Store, name: str, *, alias: Alias = "champion", version: str = "", newer_than: str = ""
) -> ModelRef | None:
    """Give the version of that number, or the one that an alias points at; None while there is none.

    With `newer_than` an alias counts once it points at a version of a higher number. It reads the audit chain: MLflow
    is not asked.
    """
    if newer_than and not newer_than.isdecimal():
        raise ConfigError(f"newer_than is the number of a version, not '{newer_than}'")
    if version:
        document = read_version(store, name, version)
        if document is None:
            return None
        return ModelRef(uri=store.uri(document["key"]), digest=document["digest"], name=name, version=version)
    standing = read_standing(store, name)
    holder = standing.champion if alias == "champion" else standing.challenger
    if holder is None or (newer_than and int(holder.version) <= int(newer_than)):
        return None
    return holder.ref(store, name)
