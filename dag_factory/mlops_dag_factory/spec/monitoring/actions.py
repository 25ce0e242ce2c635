"""What is done about a breach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from mlops_dag_factory.spec.base import ParseTimeSpec, ShorthandSpec, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

ROLE = "role:"


class FallbackAction(ParseTimeSpec):
    """Give the service back to a version that it had."""

    fallback: Literal["previous", "alternate"] = Field(
        description="previous: the version before the one that is live; alternate: the one that stands by."
    )


class TodoSpec(ShorthandSpec, ParseTimeSpec):
    """Something that a person does and ticks off with a note."""

    shorthand: ClassVar = "text"
    one_or_many: ClassVar = frozenset({"users"})

    text: str = Field(default="", max_length=500, description="What is to be done; default: to look at the breach.")
    role: str = Field(default="", description="Whose it is, as in 'roles'.")
    users: list[str] = Field(
        default_factory=list, description="Airflow users whose it is, beside the role's; default: everybody's."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_role(cls, value: object) -> object:
        return {"role": value.removeprefix(ROLE)} if isinstance(value, str) and value.startswith(ROLE) else value


class TodoAction(ParseTimeSpec):
    """Open a to-do."""

    todo: TodoSpec = Field(description="Role as 'role:<name>', what is to be done, or both as a map.")


def _kind(action: object) -> str:
    """Say which of the models below an action is: what has settings is a map of its name."""
    if isinstance(action, FallbackAction) or (isinstance(action, dict) and "fallback" in action):
        return "fallback"
    return "todo" if isinstance(action, TodoAction) or (isinstance(action, dict) and "todo" in action) else "word"


Word = Literal["notify", "fallback", "retrain", "todo", "stop"]
Action = Annotated[
    Annotated[Word, Tag("word")] | Annotated[FallbackAction, Tag("fallback")] | Annotated[TodoAction, Tag("todo")],
    Discriminator(_kind),
]


def name_of(action: Action) -> str:
    """Give the name of an action, as decisions have it."""
    return action if isinstance(action, str) else next(iter(type(action).model_fields))


def names_of(actions: Iterable[Action]) -> list[str]:
    """Give the names of actions, in their order."""
    return [name_of(action) for action in actions]


def fallback_of(actions: Iterable[Action]) -> Literal["previous", "alternate"]:
    """Give the version that a fallback goes to."""
    return next((each.fallback for each in actions if isinstance(each, FallbackAction)), "previous")


def todo_of(actions: Iterable[Action]) -> TodoSpec:
    """Give what a to-do asks, and whom."""
    return next((each.todo for each in actions if isinstance(each, TodoAction)), TodoSpec())


def _each_once(actions: list[Action]) -> list[Action]:
    """Refuse what is to be done twice."""
    names = names_of(actions)
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"'{name}' is there twice", hint="one action of each kind")
    return actions


Actions = Annotated[list[Action], AfterValidator(_each_once)]
