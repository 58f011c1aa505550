"""Queries as models: one field for each parameter, from which both come, what is read and what /openapi.json says."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from service.domain.request_faults import Fault, shown

TRUE = ("true", "True", "1", "yes", "All")
FALSE = ("false", "0", "no")


class Query(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    @classmethod
    def parameters(cls) -> list[dict[str, Any]]:
        """As OpenAPI has them."""
        described = cls.model_json_schema()["properties"]
        return [_parameter(name, schema) for name, schema in described.items()]


@dataclass(frozen=True, slots=True)
class Parsed:
    """Of a field: how it is read from its text, by what raises ValueError with a message for the caller; its schema."""

    parse: Callable[[str], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return dict(self.schema)


def faults(error: ValidationError) -> Iterator[Fault]:
    """Everything that a query's model found, each at its parameter."""
    return (Fault(str(found["loc"][0]), str(found["ctx"]["error"])) for found in error.errors(include_url=False))


def or_empty(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An empty value is an absent one."""
    return {"anyOf": [dict(schema), {"type": "string", "maxLength": 0}]}


def whole_number(least: int, most: int) -> Parsed:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,10}", text) or not least <= int(text) <= most:
            raise ValueError(f"{shown(text)} must be a whole number from {least} to {most}")
        return int(text)

    return Parsed(parse, or_empty({"type": "integer", "minimum": least, "maximum": most}))


def choice(choices: type[Enum]) -> Parsed:
    values = [str(one.value) for one in choices]

    def parse(text: str) -> Enum:
        try:
            return choices(text)
        except ValueError as error:
            raise ValueError(f"{shown(text)} must be one of {', '.join(values)}") from error

    return Parsed(parse, or_empty({"type": "string", "enum": values}))


def truth(text: str) -> bool:
    """A boolean of a query, the same for all of them.

    Raises:
        ValueError: it is neither; the message is for the caller.
    """
    if text not in (*TRUE, *FALSE):
        raise ValueError(f"must be one of {', '.join(TRUE)}, or {', '.join(FALSE)}; {shown(text)} was sent")
    return text in TRUE


BOOLEAN = or_empty({"type": "string", "enum": [*TRUE, *FALSE]})


def _parameter(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in schema.items() if key not in ("title", "description", "default")}
    said = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": "query", "schema": bare, **said}
