"""What the OpenAPI page says of the predict and update routes, whose bodies depend on the application."""

from typing import Any

from skysail_frontend.predict_options import MAX_TIMEOUT_MS

__all__ = ["PREDICT", "UPDATE"]

_ERROR = {
    "type": "object",
    "required": ["error", "cause"],
    "properties": {"error": {"type": "string"}, "cause": {"type": "string"}},
}
_ANSWER = {
    "type": "object",
    "required": ["query_id", "output", "default"],
    "properties": {
        "query_id": {"type": "integer"},
        "output": {"description": "the model's output, or the application's default output"},
        "default": {"type": "boolean"},
        "default_explanation": {"type": "string"},
        "default_reason": {"type": "string"},
        "fallback": {"const": True, "description": "only there when the application's fallback model gave the output"},
    },
}
_TIMEOUT_MS = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_MS}
_PREDICT_BODY = {
    "type": "object",
    "properties": {
        "input": {"description": "one example of the application's input type"},
        "input_batch": {"type": "array", "items": {}, "description": "several examples; `input` wins over it"},
        "version": {"type": ["string", "null"], "description": "a registered version instead of the current one"},
        "timeout_ms": {
            **_TIMEOUT_MS,
            "type": ["number", "null"],
            "description": "when the answer is wanted, if earlier than the application's objective",
        },
        "cache": {
            "type": ["boolean", "null"],
            "description": "false: computed anew, not taken from the prediction cache and not kept there",
        },
    },
}
_PREDICT_HEADERS = [
    {
        "name": "X-Skysail-Timeout-Ms",
        "in": "header",
        "schema": _TIMEOUT_MS,
        "description": "as `timeout_ms`, which wins over it",
    },
    {
        "name": "Cache-Control",
        "in": "header",
        "schema": {"type": "string"},
        "description": "`no-cache` or `no-store`: as `cache` false; a `cache` in the body wins over it",
    },
]
_BATCH_ANSWER = {"type": "object", "properties": {"batch_predictions": {"type": "array", "items": _ANSWER}}}
_UPDATE_BODY = {
    "type": "object",
    "required": ["label"],
    "properties": {
        "label": {"description": "the true label: any JSON"},
        "query_id": {"type": "integer", "description": "of the answer the label belongs to"},
        "uid": {"type": "integer", "description": "Clipper's form, with `input`"},
        "input": {"description": "Clipper's form: one example"},
    },
}


def _json(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema, **more}}}


def _error(description: str) -> dict[str, Any]:
    return {"description": description, **_json(_ERROR)}


PREDICT: dict[str, Any] = {
    "tags": ["predictions"],
    "summary": "Predict",
    "openapi_extra": {
        "parameters": _PREDICT_HEADERS,
        "requestBody": {"required": True, **_json(_PREDICT_BODY, example={"input": [1.0, 2.0, 3.0]})},
    },
    "responses": {
        200: {
            "description": "one answer, or `batch_predictions` with one per example",
            **_json({"anyOf": [_ANSWER, _BATCH_ANSWER]}),
        },
        400: _error("the body or a header is not what the application takes, or the version is not registered"),
        404: _error("no such application"),
        413: _error("the body is too large"),
    },
}
UPDATE: dict[str, Any] = {
    "tags": ["feedback"],
    "summary": "Feedback",
    "openapi_extra": {
        "requestBody": {"required": True, **_json(_UPDATE_BODY, example={"query_id": 4294967296, "label": 1})},
    },
    "responses": {
        200: {"description": "joined with its prediction", **_json({"type": "object"})},
        400: _error("the body is not feedback"),
        404: _error("no such application, or no such prediction on record"),
        503: _error("Redis is away"),
    },
}
