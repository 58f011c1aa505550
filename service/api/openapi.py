"""/openapi.json: what FastAPI cannot see, because the routes read bodies and queries themselves."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from service.api import responses
from service.api.audit_parameters import AuditParameters
from service.api.examples import EXAMPLES
from service.api.list_parameters import ListParameters
from service.api.log_parameters import LogParameters
from service.api.node_parameters import NodeParameters
from service.api.request_bodies import MODELS, AdvanceRequest, FreezeRequest, PauseRequest, ResumeRequest, RetryRequest
from service.api.write_parameters import CreateParameters

_REF = "#/components/schemas/{model}"

Schema = dict[str, Any]


def document(app: FastAPI) -> Schema:
    """The API as OpenAPI."""
    described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    schemas.clear()
    schemas.update(_schemas())
    described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in described["paths"].items():
        for operation in operations.values():
            # FastAPI's own idea of a refused request; ours are problems.
            if _is_fastapis(operation["responses"].get("422", {})):
                del operation["responses"]["422"]
            if path not in ("/healthz", "/readyz"):
                operation["security"] = [{"token": []}]
    return described


def problems(*statuses: HTTPStatus) -> dict[int | str, Schema]:
    """Responses of a route for these statuses and those that every route with a token has."""
    always = (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return {status.value: _problem(status) for status in sorted({*always, *statuses})}


def _problem(status: HTTPStatus) -> Schema:
    headers = {
        HTTPStatus.UNAUTHORIZED: "WWW-Authenticate",
        HTTPStatus.CONFLICT: "Retry-After",
        HTTPStatus.TOO_MANY_REQUESTS: "Retry-After",
        HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After",
    }
    # Of conflicts only the one with a request of the same key passes by waiting.
    always = status is not HTTPStatus.CONFLICT
    return {
        "description": status.phrase,
        "content": {"application/problem+json": {"schema": _ref(responses.Problem)}},
        **({"headers": {headers[status]: _header(required=always)}} if status in headers else {}),
    }


def json_response(model: type[BaseModel], **further: Any) -> dict[int | str, Schema]:
    content = {"application/json": {"schema": _ref(model)}}
    return {200: {"description": "OK", "content": content, **further}}


def also_plain(response: Schema) -> Schema:
    """A problem, or for those without a token one plain word."""
    return {**response, "content": {"text/plain": {}, **response["content"]}}


def empty(content_type: str = "") -> dict[int | str, Schema]:
    """200 without a body, or with one of that type."""
    return {200: {"description": "OK", **({"content": {content_type: {}}} if content_type else {})}}


def event_stream(events: str) -> dict[int | str, Schema]:
    """Server-sent events of these names."""
    return {200: {"description": f"Server-sent events: {events}", "content": {"text/event-stream": {}}}}


def _of_job(*operations: str) -> Schema:
    """Links from the created job to the calls that take its id."""
    return {name: {"operationId": name, "parameters": {"job_id": "$response.body#/jobId"}} for name in operations}


def _header(*, required: bool = True) -> Schema:
    return {"schema": {"type": "string"}, "required": required}


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": _REF.format(model=model.__name__)}


def _is_fastapis(response: Schema) -> bool:
    return "HTTPValidationError" in str(response)


def needed_body(model: type[BaseModel]) -> Schema:
    return _body(model, required=True)


def optional_body(model: type[BaseModel]) -> Schema:
    return _body(model, required=False)


def _body(model: type[BaseModel], *, required: bool) -> Schema:
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": _ref(model)}}}}


def _request_header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": {"type": "string"}, "description": description}


LIST: Schema = {"parameters": ListParameters.parameters()}
AUDIT: Schema = {"parameters": AuditParameters.parameters()}

LOG: Schema = {
    "parameters": [
        *LogParameters.parameters(),
        _request_header("Last-Event-ID", "with text/event-stream: go on after the event of that id"),
    ]
}
OUTPUT_TEXT: dict[int | str, Schema] = {
    200: {
        "description": "Lines, at most 16 KiB of each; or the events line, gap and end",
        "content": {"text/plain": {"schema": {"type": "string"}}, "text/event-stream": {"schema": {"type": "string"}}},
    }
}
OUTPUT: Schema = {"parameters": [_request_header(name, "as HTTP has it") for name in ("Range", "If-Range")]}
#: Whatever a job left: bytes, and where they are JSON, any JSON.
_FILE: Schema = {"content": {"*/*": {"schema": {}}}}
OUTPUT_FILE: dict[int | str, Schema] = {
    200: {"description": "The whole file", **_FILE},
    206: {"description": "The range that was asked for", **_FILE},
}

_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
    "description": "kept 24 h: the same key and body answers the same jobId",
}

CREATE: Schema = {
    "parameters": [*CreateParameters.parameters(), _KEY],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [_ref(model) for model in MODELS.values()],
                    "discriminator": {
                        "propertyName": "type",
                        "mapping": {kind.value: _ref(model)["$ref"] for kind, model in MODELS.items()},
                    },
                },
                "examples": {example["type"]: {"value": example} for example in EXAMPLES},
            }
        },
    },
}

RETRY: Schema = {
    "parameters": [_KEY],
    **optional_body(RetryRequest),
}

VERBOSE: Schema = {
    "parameters": [
        {
            "name": "verbose",
            "in": "query",
            "allowEmptyValue": True,
            "schema": {"type": "string"},
            "description": "say what is away; needs a token",
        }
    ]
}
SHOW: Schema = {
    "parameters": [_request_header("If-None-Match", "the ETag of what is known already: 304 where it is still that")]
}
NODES: Schema = {"parameters": [*NodeParameters.parameters(), *SHOW["parameters"]]}
EVENTS: Schema = {
    "parameters": [
        _request_header(
            "Last-Event-ID", "the last id that was received: all that is known comes once, then what changes"
        )
    ]
}
TAGGED: Schema = {"ETag": {"schema": {"type": "string"}, "required": True}}
NOT_MODIFIED: dict[int | str, Schema] = {304: {"description": "what If-None-Match names", "headers": TAGGED}}

CREATED: dict[int | str, Schema] = {
    200: {
        "description": "The job is accepted; with dryRun=true, what it would do",
        "content": {"application/json": {"schema": {"oneOf": [_ref(responses.Created), _ref(responses.Planned)]}}},
        "headers": {"Location": _header(required=False)},
        "links": _of_job("show", "stop_job", "delete_job"),
    }
}


RETRIED: dict[int | str, Schema] = {
    200: {
        "description": "The new job is accepted",
        "content": {"application/json": {"schema": _ref(responses.Created)}},
        "headers": {"Location": _header()},
        "links": _of_job("show", "stop_job", "delete_job"),
    }
}


class _Described(GenerateJsonSchema):
    """No schema has a `default`: a client that is generated takes a field with one as always there."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _schemas() -> Schema:
    bodies = (RetryRequest, PauseRequest, ResumeRequest, AdvanceRequest, FreezeRequest)
    described = (
        responses.Created,
        responses.Planned,
        responses.Listed,
        responses.Detail,
        responses.WhoAmI,
        responses.AddonTemplates,
        responses.NodeTemplates,
        responses.FreezeState,
        responses.ListedNodes,
        responses.AuditLines,
        responses.Problem,
    )
    wanted = [(model, "validation") for model in (*MODELS.values(), *bodies, *described)]
    _, described_once = models_json_schema(wanted, ref_template=_REF, schema_generator=_Described)  # type: ignore[arg-type]
    definitions: Schema = described_once["$defs"]
    return definitions
