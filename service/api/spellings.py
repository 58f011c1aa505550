"""What clients spell in another way than the models, and what they send that says nothing (contract: Requests).

Form-driven clients send every field of their form, whatever the type of the job.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.api.request_bodies import ALL_FIELDS
from service.domain.quantities import is_zero
from service.domain.request_faults import Fault, FaultCode, shown

#: Fields that no model has.
OTHER_SPELLINGS = frozenset({"securityOperation", "replica"})
#: Resources of which none asks for nothing.
_NONE_IS_NOTHING = ("gpu", "ephemeralStorage", "sharedMemory")


@dataclass(frozen=True, slots=True)
class Spelled:
    """A body in the models' spelling, and what was wrong with how it was spelled."""

    body: dict[str, Any]
    faults: tuple[Fault, ...]
    #: Path in `body` → the path under which it was sent.
    sent_as: Mapping[str, str]


def spelled(body: Mapping[str, Any], own: frozenset[str]) -> Spelled:
    """The body as the model with the fields `own` spells it; what was sent is not changed."""
    made = {name: value for name, value in body.items() if not _says_nothing(name, value, own)}
    sent_as: dict[str, str] = {}
    faults = [*_security_operation(made, sent_as)]
    if "resource" in own:
        faults += _replica(made, sent_as)
        _zeros(made)
    return Spelled(made, tuple(faults), sent_as)


def _says_nothing(name: str, value: Any, own: frozenset[str]) -> bool:
    """An empty value of a field that belongs to another type."""
    if name in own:
        return False
    if name == "securityOperation":
        return value is None or (value is False and "securityUpgrade" not in own)
    if name == "replica":
        return value is None
    return name in ALL_FIELDS and (value is None or value in ("", {}, []))


def _security_operation(body: dict[str, Any], sent_as: dict[str, str]) -> Iterator[Fault]:
    """`securityOperation` is another spelling of securityUpgrade."""
    if "securityOperation" not in body:
        return
    value = body.pop("securityOperation")
    other = body.get("securityUpgrade")
    if other is None:
        body["securityUpgrade"] = value
        sent_as["securityUpgrade"] = "securityOperation"
    elif other is not value:
        yield _contradiction("securityOperation", value, "securityUpgrade", other)


def _replica(body: dict[str, Any], sent_as: dict[str, str]) -> Iterator[Fault]:
    """`replica` is another spelling of resource.replica."""
    if "replica" not in body:
        return
    value = body.pop("replica")
    resource = body.get("resource")
    if resource is not None and not isinstance(resource, dict):
        return  # the model says what is wrong with it
    other = (resource or {}).get("replica")
    if other is None:
        body["resource"] = {**(resource or {}), "replica": value}
        sent_as["resource.replica"] = "replica"
    elif other != value or isinstance(other, bool) is not isinstance(value, bool):
        yield _contradiction("replica", value, "resource.replica", other)


def _zeros(body: dict[str, Any]) -> None:
    """0 of these asks for nothing; replica 0: all nodes, as if it were left out."""
    resource = body.get("resource")
    if isinstance(resource, dict):
        absent = {name for name in _NONE_IS_NOTHING if is_zero(resource.get(name))}
        if resource.get("replica") == 0 and not isinstance(resource["replica"], bool):
            absent.add("replica")
        body["resource"] = {name: value for name, value in resource.items() if name not in absent}


def _contradiction(path: str, value: Any, other_path: str, other: Any) -> Fault:
    message = f"is another spelling of {other_path}, and they differ: {shown(value)} and {shown(other)} were sent"
    return Fault(path, message, FaultCode.CONTRADICTION)
