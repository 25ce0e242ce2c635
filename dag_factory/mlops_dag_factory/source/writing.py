"""Plain data becomes YAML text that reads back as the same data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mlops_dag_factory.source.scalars import ScalarError, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH = 110


class _Dumper(yaml.CSafeDumper):
    """Quotes what YAML 1.2 would not read as text; never writes aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (for no data)
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = None
    if "\n" in value.strip("\n"):
        style = "|"
    elif not _reads_as_text(value):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _reads_as_text(value: str) -> bool:
    try:
        return isinstance(plain(value), str)
    except ScalarError:
        return False


_Dumper.add_representer(str, _text)


def dump(data: Mapping[str, Any]) -> str:
    """Give YAML in the order of the data."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    return text
