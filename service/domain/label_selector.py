"""Kubernetes' label selectors: `gpu=h100,rack in (r1,r2),!spare` (k8s.io/apimachinery/pkg/labels)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: A token; what lies between two is white space. A name ends where a sign or white space begins, as in Kubernetes.
_TOKEN = re.compile(r"==|!=|[=!,()<>]|[^\s=!,()<>]+")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_PREFIX = 253
_SIGNS = frozenset({"==", "!=", "=", "!", ",", "(", ")", "<", ">"})
_COMPARED = re.compile(r"[+-]?[0-9]{1,18}")


class SelectorError(ValueError):
    """Not a label selector; the message says what stands where, for a person."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a node's labels. `operator`: in, notin, exists, !, > or <."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        """Whole numbers; a label that is none does not match."""
        if value is None or not _COMPARED.fullmatch(value):
            return False
        (limit,) = map(int, self.values)
        return int(value) > limit if self.operator == ">" else int(value) < limit


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of its requirements must match."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def is_key(text: str) -> bool:
    """Whether a label could have that key."""
    prefix, slash, name = text.rpartition("/")
    well_prefixed = len(prefix) <= _LONGEST_PREFIX and _PREFIX.fullmatch(prefix) is not None if slash else True
    return well_prefixed and _NAME.fullmatch(name) is not None


def parse(text: str) -> LabelSelector:
    """Read a selector as Kubernetes does. An empty one, which would match everything, is refused.

    Raises:
        SelectorError: it is none.
    """
    reader = _Reader(text)
    requirements = [_requirement(reader)]
    while reader.next:
        reader.take(",")
        requirements.append(_requirement(reader))
    return LabelSelector(tuple(requirements))


class _Reader:
    """The tokens of a text, one at a time; `next` is empty at its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = _TOKEN.findall(text)

    @property
    def next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def take(self, *wanted: str) -> str:
        """The next token, which must be one of these, or without any a name."""
        found = self.next
        if found in wanted or (not wanted and found and found not in _SIGNS):
            return self._tokens.pop(0)
        expected = " or ".join(map(repr, wanted)) or "a name"
        raise SelectorError(f"{self._text!r} is no label selector: expected {expected}, found {found or 'its end'!r}")


def _requirement(reader: _Reader) -> Requirement:
    if reader.next == "!":
        reader.take("!")
        return Requirement(_key(reader), "!")
    key = _key(reader)
    if reader.next in ("", ","):
        return Requirement(key, "exists")
    match reader.take("=", "==", "!=", "in", "notin", "<", ">"):
        case "in" | "notin" as operator:
            return Requirement(key, operator, _values(reader))
        case "!=":
            return Requirement(key, "notin", frozenset({_value(reader)}))
        case "<" | ">" as operator:
            limit = reader.take()
            if not _COMPARED.fullmatch(limit):
                raise SelectorError(f"{key} can only be compared with a whole number, not {limit!r}")
            return Requirement(key, operator, frozenset({limit}))
        case _:
            return Requirement(key, "in", frozenset({_value(reader)}))


def _key(reader: _Reader) -> str:
    key = reader.take()
    prefix, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name) or (slash and (len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix))):
        raise SelectorError(f"{key!r} is no label key, like gpu or example.com/rack")
    return key


def _values(reader: _Reader) -> frozenset[str]:
    """In brackets, at least one, of which any may be empty."""
    reader.take("(")
    if reader.next == ")":
        raise SelectorError("there is no value between the brackets")
    found = [_value(reader)]
    while reader.take(",", ")") == ",":
        found.append(_value(reader))
    return frozenset(found)


def _value(reader: _Reader) -> str:
    """A label's value; empty where none stands."""
    if reader.next in ("", ",", ")"):
        return ""
    value = reader.take()
    if not _NAME.fullmatch(value):
        raise SelectorError(f"{value!r} is no value of a label")
    return value
