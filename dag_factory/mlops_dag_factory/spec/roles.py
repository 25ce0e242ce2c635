"""Roles: the people behind `role:<name>`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mlops_dag_factory.spec.base import ParseTimeSpec, ShorthandSpec


class RoleSpec(ShorthandSpec, ParseTimeSpec):
    """Some people and how they are told; a list is the people."""

    shorthand: ClassVar = "users"
    one_or_many: ClassVar = frozenset({"users", "notify"})

    users: list[str] = Field(default_factory=list, description="Airflow users.")
    notify: list[str] = Field(
        default_factory=list, description="Connections that reach them (HTTP connections that take JSON)."
    )
