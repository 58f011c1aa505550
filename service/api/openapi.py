"""/openapi.json: what FastAPI cannot see, because the routes read bodies and queries themselves."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from service.api import responses
from service.api.examples import EXAMPLES
from service.api.list_parameters import MAX_LIMIT, MAX_OFFSET
from service.api.request_bodies import MODELS, AdvanceRequest, PauseRequest, ResumeRequest, RetryRequest
from service.api.write_parameters import FALSE, TRUE
from service.domain.job import JobType, Phase
from service.domain.list_query import SortField

_REF = "#/components/schemas/{model}"
_TIME = "RFC 3339, like 2025-01-10T08:00:00.000Z; both ends are included"

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


def _of_job(*operations: str) -> Schema:
    """Links from the created job to the calls that take its id."""
    return {name: {"operationId": name, "parameters": {"job_id": "$response.body#/jobId"}} for name in operations}


def _header(*, required: bool = True) -> Schema:
    return {"schema": {"type": "string"}, "required": required}


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": _REF.format(model=model.__name__)}


def _is_fastapis(response: Schema) -> bool:
    return "HTTPValidationError" in str(response)


def _query(name: str, schema: Schema, description: str = "") -> Schema:
    # An empty value is an absent one.
    either = {"anyOf": [schema, {"type": "string", "maxLength": 0}]}
    return {"name": name, "in": "query", "schema": either, **({"description": description} if description else {})}


def _choice(values: Any) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def optional_body(model: type[BaseModel]) -> Schema:
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": _ref(model)}}}}


_TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000]*$"}
_WHEN: Schema = {"type": "string", "format": "date-time"}
_BOOLEAN: Schema = {"type": "string", "enum": [*TRUE, *FALSE]}

LIST: Schema = {
    "parameters": [
        _query("offset", {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET}),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
        _query("sortBy", _choice(SortField)),
        _query("order", _choice(("asc", "desc"))),
        _query("since", _WHEN, _TIME),
        _query("until", _WHEN, _TIME),
        _query("clusterId", _TEXT),
        _query("workspaceId", _TEXT),
        _query("userName", _TEXT, "case-insensitive substring"),
        _query("jobName", _TEXT, "case-insensitive substring"),
        _query("node", _TEXT, "jobs whose plan holds the node of exactly that name"),
        _query("phase", _choice(Phase)),
        _query("type", _choice(JobType)),
        _query("includeDeleted", _BOOLEAN),
    ]
}

_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
    "description": "kept 24 h: the same key and body answers the same jobId",
}

CREATE: Schema = {
    "parameters": [
        _query("dryRun", _BOOLEAN, "answer the plan and create nothing; bare, it means the same as true"),
        {
            "name": "expectedPlan",
            "in": "query",
            "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "description": "the planDigest of a dry run: 409 where the plan has become another",
        },
        _KEY,
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_ref(model) for model in MODELS.values()]},
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
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "schema": {"type": "string"},
            "description": "the ETag of what is known already: 304 where it is still that",
        }
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
    bodies = (RetryRequest, PauseRequest, ResumeRequest, AdvanceRequest)
    described = (
        responses.Created,
        responses.Planned,
        responses.Listed,
        responses.Detail,
        responses.WhoAmI,
        responses.AddonTemplates,
        responses.NodeTemplates,
        responses.Problem,
    )
    wanted = [(model, "validation") for model in (*MODELS.values(), *bodies, *described)]
    _, described_once = models_json_schema(wanted, ref_template=_REF, schema_generator=_Described)  # type: ignore[arg-type]
    definitions: Schema = described_once["$defs"]
    for kind, model in MODELS.items():
        definitions[model.__name__]["properties"]["type"] = {"const": kind.value}
    return definitions
