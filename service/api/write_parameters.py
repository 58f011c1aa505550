"""The query of a request that would change something: nothing in it is ignored (contract: ?dryRun)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import QueryParams

from service.api.problems import refused
from service.domain.request_faults import Fault, FaultCode, cut, shown

TRUE = ("true", "True", "1", "yes", "All")
FALSE = ("false", "0", "no")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Creation:
    """How a job is to be created. With faults it is not, and `dry_run` says nothing."""

    dry_run: bool = False
    #: The digest that a dry run answered for its plan; empty: whatever the plan is.
    expected_plan: str = ""
    faults: tuple[Fault, ...] = ()


def creation(query: QueryParams) -> Creation:
    """What the query of POST /api/v1/opsjobs says."""
    faults = [*_strangers(query, ("dryRun", "expectedPlan")), *_repeated(query)]
    dry_run, expected_plan = False, query.get("expectedPlan", "")
    if "dryRun" in query:
        try:
            # Bare, as in `?dryRun`: it is meant.
            dry_run = truth(query["dryRun"] or "true")
        except ValueError as error:
            faults.append(Fault("dryRun", str(error)))
    if "expectedPlan" in query and not _DIGEST.fullmatch(expected_plan):
        message = (
            f"must be the planDigest that a dry run answered, 64 hexadecimal digits; {shown(expected_plan)} was sent"
        )
        faults.append(Fault("expectedPlan", message))
    return Creation(dry_run, expected_plan, tuple(faults))


def truth(text: str) -> bool:
    """A boolean of a query, the same for all of them.

    Raises:
        ValueError: it is neither; the message is for the caller.
    """
    if text not in (*TRUE, *FALSE):
        raise ValueError(f"must be one of {', '.join(TRUE)}, or {', '.join(FALSE)}; {shown(text)} was sent")
    return text in TRUE


def only(*names: str) -> Callable[[Request], None]:
    """A dependency of routes that change something and know no other parameters: 400 for any."""

    def checked(request: Request) -> None:
        if faults := list(_strangers(request.query_params, names)):
            raise refused(faults)

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
