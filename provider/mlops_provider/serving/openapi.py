"""The OpenAPI document: for each service a typed body with its features, their categories and golden rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_provider.serving.payload import DATATYPES, Rows

if TYPE_CHECKING:
    from mlops_provider.serving.callers import Caller
    from mlops_provider.serving.directory import Directory
    from mlops_provider.serving.host import Host
    from mlops_provider.serving.limits import Limits
    from mlops_provider.serving.model import ServedModel
    from mlops_provider.store.models import Feature

_JSON_TYPES = {"float": "number", "integer": "number", "boolean": "boolean", "string": "string", "timestamp": "string"}
_DATATYPES = {"float": "FP64", "integer": "INT64", "boolean": "BOOL", "string": "BYTES", "timestamp": "BYTES"}
_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
_REFUSALS = {
    400: "The body is not JSON.",
    401: "A key is needed, or the key is not known.",
    403: "The key is not for this service.",
    405: "Only POST predicts.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    422: "The rows are not what the model takes; the error names row and feature.",
    429: "Too many requests are in work; try again after Retry-After seconds.",
    500: "The model failed.",
    503: "No model answers yet.",
    504: "The prediction took too long.",
}
_ABOUT = """Predictions by `/invocations` (MLflow's body: dataframe_records, dataframe_split, instances or inputs)
and by `/v2/models/<name>/infer` (Open Inference Protocol). Schemas show one form of each; columns may come in any
order, and a text outside the known categories is taken as the model takes it."""


class OpenApi:
    """Makes the document for what a caller may use."""

    def __init__(self, directory: Directory, limits: Limits) -> None:
        self.directory = directory
        self.limits = limits
        self._nullable: dict[str, bool] = {}

    def document(self, caller: Caller) -> dict[str, Any]:
        """Give the document, of OpenAPI 3.1."""
        paths: dict[str, Any] = {
            "/health": _get("Whether the process lives", 200),
            "/ready": _get("Whether every service has a model", 200, 503),
            "/services": _get("The services, their versions and how they are", 200, 401),
            "/v2": _get("The server, in the Open Inference Protocol", 200),
        }
        schemas: dict[str, Any] = {"Error": _ERROR}
        for host in self.directory.hosts(caller):
            if host.active is not None:
                self._service(host, host.active, paths, schemas)
        document: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": "Model server", "version": "2", "description": _ABOUT},
            "paths": paths,
            "components": {"schemas": schemas},
        }
        if not self.directory.callers.open:
            document["components"]["securitySchemes"] = {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "token": {"type": "http", "scheme": "bearer"},
            }
            for path, methods in paths.items():
                if path not in {"/health", "/ready", "/v2"} and not path.endswith("/ready"):
                    for operation in methods.values():
                        operation["security"] = [{"key": []}, {"token": []}]
        return document

    def _service(self, host: Host, served: ServedModel, paths: dict[str, Any], schemas: dict[str, Any]) -> None:
        prefix = "" if self.directory.follower.only else f"/{host.name}"
        name = re.sub(r"[^A-Za-z0-9]+", "_", host.name)
        rows = served.golden_rows()
        nullable = self._takes_null(served)
        columns = {
            feature.name: _column(feature, rows.cells[0][i], nullable=nullable)
            for i, feature in enumerate(served.signature.features)
        }
        schemas[f"{name}_row"] = {
            "type": "object",
            "properties": columns,
            "required": list(columns),
            "additionalProperties": False,
        }
        schemas[f"{name}_invocation"] = _invocation(f"{name}_row", columns, self.limits.rows)
        schemas[f"{name}_inference"] = _inference(served, nullable=nullable)
        schemas[f"{name}_predictions"] = _predictions(served)
        records = [dict(zip(rows.names, row, strict=True)) for row in rows.cells[:2]]
        tag = [host.name]
        paths[f"{prefix}/invocations"] = _post(
            tag,
            f"Predict with {host.name}",
            f"{name}_invocation",
            f"{name}_predictions",
            {"dataframe_records": records},
        )
        paths[f"{prefix}/v2/models/{host.workflow}/infer"] = _post(
            tag, "The same in the Open Inference Protocol", f"{name}_inference", "", _tensors(served, rows)
        )
        paths[f"{prefix}/v2/models/{host.workflow}"] = _get(
            "Inputs and outputs of the model", 200, 401, 403, 503, tag=tag
        )
        paths[f"{prefix}/v2/models/{host.workflow}/ready"] = _get("Whether it answers", 200, 503, tag=tag)

    def _takes_null(self, served: ServedModel) -> bool:
        """Say whether the model takes missing values, by trying it."""
        digest = served.version.model.digest
        if digest not in self._nullable:
            names = served.features.names
            try:
                served.predict(Rows(names, [[None] * len(names)]))
            except Exception:  # noqa: BLE001 (however it fails, it does not take them)
                self._nullable[digest] = False
            else:
                self._nullable[digest] = True
        return self._nullable[digest]


_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
    "required": ["error"],
}


def _column(feature: Feature, example: Any, *, nullable: bool) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": _JSON_TYPES[feature.type]}
    if feature.type == "timestamp":
        kind["format"] = "date-time"
    choices = [kind, {"type": "null"}] if nullable else [kind]
    if feature.categories and feature.type == "string":
        choices.insert(0, {"enum": list(feature.categories)})
    schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {**schema, "examples": [example]}


def _invocation(row: str, columns: dict[str, Any], most: int) -> dict[str, Any]:
    records = {"type": "array", "minItems": 1, "maxItems": most, "items": {"$ref": f"#/components/schemas/{row}"}}
    cells = {"type": "array", "prefixItems": list(columns.values()), "minItems": len(columns), "maxItems": len(columns)}
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"const": list(columns)},
            "data": {"type": "array", "minItems": 1, "maxItems": most, "items": cells},
        },
    }
    forms = {"dataframe_records": records, "dataframe_split": split}
    return {
        "anyOf": [
            {"type": "object", "required": [form], "properties": {form: schema}} for form, schema in forms.items()
        ]
    }


def _inference(served: ServedModel, *, nullable: bool) -> dict[str, Any]:
    """Give the schema of one row: a tensor of one value for each feature."""
    tensors = [
        {
            "type": "object",
            "required": ["name", "shape", "data"],
            "properties": {
                "name": {"const": feature.name},
                "shape": {"const": [1]},
                "datatype": {"enum": list(DATATYPES)},
                "data": {
                    "type": "array",
                    "prefixItems": [_column(feature, None, nullable=nullable) | {"examples": []}],
                    "minItems": 1,
                    "maxItems": 1,
                },
            },
        }
        for feature in served.signature.features
    ]
    inputs = {"type": "array", "prefixItems": tensors, "minItems": len(tensors), "maxItems": len(tensors)}
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {"id": {"anyOf": [_ID, {"type": "null"}]}, "inputs": inputs},
    }


def _tensors(served: ServedModel, rows: Rows) -> dict[str, Any]:
    inputs = [
        {"name": feature.name, "shape": [1], "datatype": _DATATYPES[feature.type], "data": [rows.cells[0][i]]}
        for i, feature in enumerate(served.signature.features)
    ]
    return {"inputs": inputs}


def _predictions(served: ServedModel) -> dict[str, Any]:
    signature = served.signature
    item: dict[str, Any] = {"enum": list(signature.classes)} if signature.classes else {"type": "number"}
    if signature.labels:
        item = {"type": "array", "items": {"type": "integer"}, "minItems": len(signature.labels)}
    return {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array", "items": item}},
    }


def _post(tags: list[str], what: str, body: str, answer: str, example: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{answer}"} if answer else {"type": "object"}
    headers = {
        "X-Request-Id": "Name of this request; given back, logged, and joined with labels that come later.",
        "X-Entity-Id": "What the rows are about; keeps a client on one version during a canary release.",
    }
    return {
        "post": {
            "summary": what,
            "tags": tags,
            "parameters": [
                {"name": name, "in": "header", "required": False, "description": about, "schema": _ID}
                for name, about in headers.items()
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}, "example": example}
                },
            },
            "responses": _responses(schema, *_REFUSALS),
        }
    }


def _get(what: str, *statuses: int, tag: list[str] | None = None) -> dict[str, Any]:
    return {
        "get": {"summary": what, "tags": tag or ["server"], "responses": _responses({"type": "object"}, *statuses[1:])}
    }


def _responses(schema: dict[str, Any], *refusals: int) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": "The answer.", "content": {"application/json": {"schema": schema}}},
        **{str(status): {"description": _REFUSALS[status], "content": error} for status in refusals},
    }
