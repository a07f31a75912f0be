"""The OpenAPI 3.1 document, generated from the same tables the door checks with."""

from typing import Any

from ._codes import CODES, failure, success
from ._orders import DURATIONS, LARGEST_ID, MODEL_TYPES, RESOLUTIONS, SIZES, URL_LIMIT
from ._script import LANGUAGE
from ._world import FIRST_ID

GENERATE = "/api/v1/imageToVideo/generate"
RESULT = "/api/v1/imageToVideo/result"

ROOM = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"}

#: The vendor's three request examples.
EXAMPLES = {
    "flash": {**ROOM, "modelType": "Flash", "prompt": "Gentle camera zoom in with soft lighting"},
    "base with audio": {
        **ROOM,
        "resolution": "1080p",
        "modelType": "Base",
        "generateAudio": True,
        "prompt": "Peaceful living room ambiance",
    },
    "first-last frame": {
        "imageUrl": "https://example.com/room-day.jpg",
        "lastImageUrl": "https://example.com/room-night.jpg",
        "duration": 10,
        "resolution": "720p",
        "modelType": "Flash",
        "prompt": "Smooth day to night transition",
    },
}

URL = {"type": "string", "format": "uri", "pattern": "^https?://[^/?#\\s]", "maxLength": URL_LIMIT}

REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["imageUrl", "duration", "resolution"],
    "properties": {
        "imageUrl": {**URL, "description": "URL of the source image; the first frame in first-last frame mode."},
        "duration": {"type": "integer", "enum": list(DURATIONS), "description": "Seconds."},
        "resolution": {"type": "string", "enum": list(RESOLUTIONS)},
        "modelType": {"type": "string", "enum": list(MODEL_TYPES), "default": "Flash"},
        "generateAudio": {"type": "boolean", "default": False, "description": "Only with modelType Base."},
        "prompt": {"type": "string", "description": "Guides style and motion."},
        "lastImageUrl": {**URL, "description": "URL of the last frame; turns on first-last frame mode."},
    },
    # "Only applicable when modelType is Base"
    "if": {"properties": {"generateAudio": {"const": True}}, "required": ["generateAudio"]},
    "then": {"properties": {"modelType": {"const": "Base"}}, "required": ["modelType"]},
}

TASK_ID = {"type": "integer", "format": "int64", "minimum": 0, "maximum": LARGEST_ID, "examples": [FIRST_ID]}

NAMED_TASK = {"name": "taskId", "in": "query", "required": True, "schema": TASK_ID}
AFTER = {
    "name": "after",
    "in": "query",
    "schema": {"type": "integer", "minimum": 0, "default": 0, "description": "Only those with a larger number."},
}

TASK: dict[str, Any] = {
    "type": "object",
    "required": ["id", "status", "waitNumber", "percentage", "input", "output"],
    "properties": {
        "id": TASK_ID,
        "status": {"type": "string", "enum": ["Unprocessed", "Processing", "Success", "Failed"]},
        "waitNumber": {"type": "integer", "minimum": 0, "description": "Tasks ahead; 0 when it is being processed."},
        "percentage": {"type": "integer", "minimum": 0, "maximum": 100},
        "input": {"type": "object", "required": list(ROOM), "properties": REQUEST["properties"]},
        "output": {
            "type": ["object", "null"],
            "required": ["resultUrl", "cover", "width", "height"],
            "properties": {
                "resultUrl": {"type": "string", "format": "uri"},
                "cover": {"type": "string", "format": "uri"},
                "width": {"type": "integer", "examples": [width for width, _ in SIZES.values()]},
                "height": {"type": "integer", "examples": [height for _, height in SIZES.values()]},
            },
        },
    },
}


def describe(base: str, *, http_errors: bool) -> dict[str, Any]:
    """The document for a sandbox at *base*."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Image to Video API (sandbox)",
            "version": "v1",
            # The language of faults is no JSON Schema; a schema of it would promise too much or too little.
            "description": (
                "The documented service, offline. Paths under /sandbox are not the vendor's. One more of them, "
                f"/sandbox/faults, takes scripted faults as text, one a line: GET, PUT, DELETE.\n\n{LANGUAGE}"
            ),
        },
        "servers": [{"url": base}],
        "security": [{"key": []}],
        "paths": {
            GENERATE: {
                "post": {
                    "operationId": "generate",
                    "summary": "Create Image to Video Task",
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": REQUEST,
                                "examples": {name: {"value": value} for name, value in EXAMPLES.items()},
                            }
                        },
                    },
                    "responses": _answers(TASK_ID, success(FIRST_ID), http_errors=http_errors),
                }
            },
            RESULT: {
                "get": {
                    "operationId": "result",
                    "summary": "Get Task Result",
                    "parameters": [NAMED_TASK],
                    "responses": _answers(TASK, None, http_errors=http_errors),
                }
            },
            "/sandbox/state": {"get": _own("state", "Queue, workers, accounts and the newest tasks")},
            "/sandbox/task": {
                "get": {**_own("task", "One task and its course, from the world's books"), "parameters": [NAMED_TASK]}
            },
            "/sandbox/ledger": {"get": _own("ledger", "Every movement of credits")},
            "/sandbox/requests": {
                "get": {**_own("requests", "The newest requests and what was said"), "parameters": [AFTER]}
            },
        },
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "APIKEY"}}},
    }


def _answers(data: dict[str, Any], example: Any, *, http_errors: bool) -> dict[str, Any]:
    fine = _envelope({"const": 0}, data)
    error = _envelope({"type": "integer", "enum": sorted(CODES)}, {"type": "null"})
    content: dict[str, Any] = {"schema": fine if http_errors else {"oneOf": [fine, error]}}
    if example is not None:
        content["example"] = example
    refused: dict[str, Any] = {
        "schema": error,
        "examples": {code.name: {"value": failure(code.number, code.message)} for code in CODES.values()},
    }
    return {
        "200": {
            "description": "Done." if http_errors else "Done or refused.",
            "content": {"application/json": content},
        },
        "default": {"description": "Refused.", "content": {"application/json": refused}},
    }


def _envelope(code: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["code", "message", "data"],
        "properties": {"code": code, "message": {"type": "string"}, "data": data},
    }


def _own(name: str, summary: str) -> dict[str, Any]:
    data = {"type": "object"} if name in {"state", "task"} else {"type": "array", "items": {"type": "object"}}
    return {"operationId": name, "summary": summary, "responses": _answers(data, None, http_errors=True)}
