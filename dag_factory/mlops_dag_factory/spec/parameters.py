"""Parameters: the only knobs of the running state; they become Airflow's trigger form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mlops_dag_factory.spec.base import Duration, ParseTimeSpec, SpecError

_JSON_TYPES = {
    "integer": "integer",
    "float": "number",
    "string": "string",
    "boolean": "boolean",
    "list": "array",
    "json": "object",
}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "float": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "list": (list,),
    "json": (dict,),
}


class ParameterSpec(ParseTimeSpec):
    """One knob of a run."""

    type: Literal["integer", "float", "string", "boolean", "enum", "list", "json"] = Field(
        description="Type of the value."
    )
    default: Any = Field(default=None, description="Value when a run gives none.")
    minimum: float | None = Field(default=None, description="Smallest value (integer, float).")
    maximum: float | None = Field(default=None, description="Largest value (integer, float).")
    choices: list[Any] = Field(default_factory=list, description="The values of an enum.")
    required: bool = Field(default=False, description="True: a run must give a value; there is no default.")
    description: str = Field(default="", description="Shown below the field in the form.")
    section: str = Field(default="", description="Part of the form that the field stands in.")
    ask: bool = Field(
        default=False, description="True: the run asks people when it reaches the first phase that uses the parameter."
    )
    timeout: Duration = Field(
        default=timedelta(days=7),
        description="How long it waits for an answer (ask); then the default is taken, if any.",
    )

    def json_schema(self) -> dict[str, Any]:
        """Give the JSON Schema that Airflow's form and a run's validation use."""
        schema: dict[str, Any] = {}
        if self.type == "enum":
            schema["enum"] = list(self.choices)
        else:
            nullable = self.default is None and not self.required
            kind = _JSON_TYPES[self.type]
            schema["type"] = ["null", kind] if nullable else kind
        for key in ("minimum", "maximum"):
            if getattr(self, key) is not None:
                schema[key] = getattr(self, key)
        if self.section:
            schema["section"] = self.section
        return schema

    def form_schema(self) -> dict[str, Any]:
        """Give the schema of a field of the form that asks for it while the run goes on."""
        schema = self.json_schema()
        if self.default is not None:
            schema["default"] = self.default
        elif isinstance(schema.get("type"), list):
            schema["type"] = schema["type"][-1]  # without a default, an answer is needed
        return {**schema, "description": self.description or None}

    def allowed(self) -> str:
        """Say in words what values fit."""
        if self.type == "enum":
            return ", ".join(map(str, self.choices))
        words = {"integer": "whole numbers", "float": "numbers", "string": "text", "boolean": "true, false"}
        bounds = (("from", self.minimum), ("to", self.maximum))
        limits = "".join(f" {word} {bound:g}" for word, bound in bounds if bound is not None)
        return words.get(self.type, {"list": "lists", "json": "maps"}.get(self.type, "")) + limits

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type == "enum" and not self.choices:
            raise SpecError("an enum needs 'choices'")
        if self.type != "enum" and self.choices:
            raise SpecError("'choices' goes with type: enum")
        if self.type not in {"integer", "float"} and (self.minimum is not None or self.maximum is not None):
            raise SpecError("'minimum' and 'maximum' go with type: integer or float")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise SpecError("'minimum' is greater than 'maximum'")
        if "timeout" in self.model_fields_set and not self.ask:
            raise SpecError("'timeout' goes with ask: true")
        if self.ask and self.required:
            raise SpecError("'required' is for the start of a run; with ask: true people are asked later")
        if self.default is None:
            return self
        if self.required:
            raise SpecError("a required parameter has no default")
        if not self.accepts(self.default):
            raise SpecError(f"the default {self.default!r} is not allowed", hint=f"allowed: {self.allowed()}")
        return self

    def accepts(self, value: Any) -> bool:
        """Say whether a value fits the type, the choices and the bounds."""
        if self.type == "enum":
            return value in self.choices
        if not isinstance(value, _PYTHON_TYPES[self.type]) or (isinstance(value, bool) and self.type != "boolean"):
            return False
        if not isinstance(value, int | float):
            return True
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)
