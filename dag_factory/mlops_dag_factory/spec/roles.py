"""Roles: the people behind `role:<name>`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from mlops_dag_factory.spec.base import ParseTimeSpec


class RoleSpec(ParseTimeSpec):
    """Some people and how they are told; a list is the people."""

    users: list[str] = Field(default_factory=list, description="Airflow users.")
    notify: list[str] = Field(
        default_factory=list, description="Connections that reach them (HTTP connections that take JSON)."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        return {"users": value} if isinstance(value, list) else value

    @field_validator("users", "notify", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
