"""Registered models: in whose chain a name's history stands, and one immutable document for each version.

A name of the registry is at home with the workflow that registered it first (`_names/<name>`); other workflows may
register versions of it too, their entries stand in the same chain. The document of a version
(`<home>/registered/<name>/<version>.json`) holds its lineage, written once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mlops_provider.exceptions import ConfigError, ConflictError
from mlops_provider.store.documents import read_document, write_document
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

VersionDocument = dict[str, Any]


def claim_name(store: Store, name: str, workflow: str) -> str:
    """Give the workflow where a name is at home; where it is at home nowhere yet, with this one."""
    home = home_of(store, name)
    if home is not None:
        return home
    try:
        write_document(store, _name_key(name), {"name": name, "workflow": workflow}, after=0)
    except ConflictError:  # another workflow was first
        return str(read_document(store, _name_key(name)).data["workflow"])
    return workflow


def home_of(store: Store, name: str) -> str | None:
    """Give the workflow where a name is at home; None where nobody registered it."""
    home = read_document(store, _name_key(name)).data.get("workflow")
    return str(home) if home else None


def names_of(store: Store, workflow: str) -> list[str]:
    """Give the names that are at home with a workflow."""
    documents = [read_document(store, f"_names/{key}").data for key in store.files.list("_names")]
    return sorted(data["name"] for data in documents if data.get("workflow") == workflow)


def write_version(store: Store, home: str, document: VersionDocument) -> VersionDocument:
    """Write the document of a version, once; give the one that stands.

    ConfigError when the version is another model's: the registry counts again from numbers that were used before.
    """
    key = _version_key(home, document["name"], document["version"])
    if store.files.create(key, json_bytes(document)):
        return document
    stands: VersionDocument = json.loads(store.files.read(key))
    if stands["digest"] != document["digest"]:
        raise ConfigError(
            f"version {document['version']} of '{document['name']}' is another model in {store.uri(key)}",
            hint="the registry has lost versions that it had: restore its database, or register under another name",
        )
    return stands


def read_version(store: Store, name: str, version: str) -> VersionDocument | None:
    """Read the document of a version; None where it was not registered through this store."""
    home = home_of(store, name)
    if home is None:
        return None
    try:
        return json.loads(store.files.read(_version_key(home, name, version)))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None


def list_versions(store: Store, name: str) -> list[str]:
    """Give the versions of a name, oldest first."""
    home = home_of(store, name)
    files = store.files.list(f"{home}/registered/{_quoted(name)}") if home else []
    return sorted((file.removesuffix(".json") for file in files), key=int)


def registered_name(store: Store, workflow: str, version: str, digest: str) -> str:
    """Give the name under which a model is that version, the workflow's own first; empty where it was not registered.

    A service knows its versions by the workflow's name, whatever name they were registered under.
    """
    own, others = [workflow], [unquote(key) for key in store.files.list("_names")]
    for name in dict.fromkeys([*own, *others]):
        document = read_version(store, name, version)
        if document is not None and document["digest"] == digest:
            return name
    return ""


def _version_key(home: str, name: str, version: str) -> str:
    return f"{home}/registered/{_quoted(name)}/{version}.json"


def _name_key(name: str) -> str:
    return f"_names/{_quoted(name)}"


def _quoted(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")
