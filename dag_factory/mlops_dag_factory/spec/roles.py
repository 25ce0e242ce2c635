"""Roles: the people behind `role:<name>`."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import ParseTimeSpec, ShorthandSpec, SpecError


class RoleSpec(ShorthandSpec, ParseTimeSpec):
    """Some people and how they are told; a list is the people."""

    shorthand: ClassVar = "users"
    one_or_many: ClassVar = frozenset({"users", "notify"})

    users: list[str] = Field(default_factory=list, description="Airflow users.")
    notify: list[str] = Field(
        default_factory=list, description="Connections that reach them (HTTP connections that take JSON)."
    )
    links: dict[str, str] = Field(
        default_factory=dict,
        description="User -> connection that reaches this user alone: where one waits for the decision of the role, a "
        "signed link to decide goes there.",
    )

    @model_validator(mode="after")
    def _links_of_users(self) -> Self:
        strangers = [user for user in self.links if user not in self.users]
        if strangers:
            raise SpecError(f"'links' names {', '.join(strangers)}, who is not in 'users'")
        return self
