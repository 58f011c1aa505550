"""The query of a request that would change something: nothing in it is ignored (contract: ?dryRun)."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Request
from pydantic import Field, ValidationError
from starlette.datastructures import QueryParams

from service.api.problems import refused
from service.api.queries import BOOLEAN, Parsed, Query, faults, truth
from service.domain.request_faults import Fault, FaultCode, cut, shown

_DIGEST = re.compile(r"[0-9a-f]{64}")


def _dry_run(text: str) -> bool:
    """Bare, as in `?dryRun`: it is meant."""
    return truth(text or "true")


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ValueError(
            f"must be the planDigest that a dry run answered, 64 hexadecimal digits; {shown(text)} was sent"
        )
    return text


class CreateParameters(Query):
    dry_run: Annotated[bool, Parsed(_dry_run, BOOLEAN)] = Field(
        default=False, description="answer the plan and create nothing; bare, it means the same as true"
    )
    expected_plan: Annotated[str, Parsed(_digest, {"type": "string", "pattern": f"^{_DIGEST.pattern}$"})] = Field(
        "", description="the planDigest of a dry run: 409 where the plan has become another"
    )


def creation(query: QueryParams) -> tuple[CreateParameters, list[Fault]]:
    """What the query of POST /api/v1/opsjobs says, and all that is wrong with it; with faults it says nothing."""
    found = [*_strangers(query, ("dryRun", "expectedPlan")), *_repeated(query)]
    try:
        asked = CreateParameters.model_validate(dict(query))
    except ValidationError as error:
        found += faults(error)
    return (CreateParameters(), found) if found else (asked, found)


def only(*names: str) -> Callable[[Request], None]:
    """A dependency of routes that change something and know no other parameters: 400 for any."""

    def checked(request: Request) -> None:
        if strangers := list(_strangers(request.query_params, names)):
            raise refused(strangers)

    return checked


def _strangers(query: QueryParams, known: tuple[str, ...]) -> Iterator[Fault]:
    by_plain = {_plain(name): name for name in known}
    for name in dict.fromkeys(query):
        if name not in known:
            meant = by_plain.get(_plain(name))
            hint = f"did you mean {meant}?" if meant else f"it knows {', '.join(known) or 'none'}"
            message = f"is no query parameter of this call, {hint} {shown(query[name])} was sent"
            yield Fault(cut(name), message, FaultCode.UNKNOWN_PARAMETER)


def _plain(name: str) -> str:
    """A name without what people spell differently: dry_run, dry-run, DryRun, dryrun."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _repeated(query: QueryParams) -> Iterator[Fault]:
    for name in ("dryRun", "expectedPlan"):
        if len(set(query.getlist(name))) > 1:
            yield Fault(name, "is sent several times with different values", FaultCode.CONTRADICTION)
