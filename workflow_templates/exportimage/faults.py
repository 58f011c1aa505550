"""What crane says, as a sentence that tells which registry and what to do, and whether to try again."""

import re
from dataclasses import dataclass
from typing import Literal

Side = Literal["source", "target"]

_HOST = re.compile(r"https?://([^/\s\"]+)")
#: Letters of crane's own words that are quoted; what the sentence says comes first.
_LONGEST = 500


class ExportError(Exception):
    """The export cannot go on; the message is for a person.

    `passing`: trying again may help. `refused_by`: the registry that does not let us in as who we say we are.
    """

    def __init__(self, sentence: str, *, passing: bool = False, refused_by: Side | None = None) -> None:
        super().__init__(sentence)
        self.passing = passing
        self.refused_by = refused_by


@dataclass(frozen=True, slots=True)
class Cause:
    said: re.Pattern[str]
    source: str
    target: str
    passing: bool = False
    refused: bool = False

    @classmethod
    def of(cls, said: str, source: str, target: str = "", **what: bool) -> "Cause":
        return cls(re.compile(said, re.IGNORECASE), source, target or source, **what)


#: The first that matches counts. Each sentence goes on from "the source registry NAME …".
_BROKEN = Cause.of(
    r"\bEOF\b|connection reset|broken pipe|closed network connection|stream error|GOAWAY|BLOB_UPLOAD_|DIGEST_INVALID",
    "broke the connection off in the middle",
    passing=True,
)
_CAUSES = (
    Cause.of(
        r"certificate signed by unknown authority|certificate is not trusted",
        "shows a certificate of an authority that is not known here: add its certificate to exportImage.caConfigMap",
    ),
    Cause.of(
        r"x509:|certificate has expired|certificate is (not )?valid|tls: failed to verify",
        "shows a certificate that is not valid for it",
    ),
    Cause.of(
        r"server gave HTTP response to HTTPS client|tls: first record does not look like a TLS handshake",
        "does not speak HTTPS",
    ),
    Cause.of(
        r"project \S* ?(was )?not found|project not found|PROJECT_?NOT_?FOUND|NAME_UNKNOWN",
        "does not know the image's repository any more",
        "has no such project: make it there, or name another in exportImage.project",
    ),
    Cause.of(
        r"quota|storage resource|exceed the configured upper limit",
        "refuses because of a quota",
        "refuses: the quota of the project is used up",
    ),
    Cause.of(
        r"no space left on device|disk quota exceeded|insufficient storage|\b507\b",
        "has no space left on its disk",
    ),
    Cause.of(
        r"TOOMANYREQUESTS|\b429\b|rate limit",
        "asks for patience: too many requests",
        passing=True,
    ),
    Cause.of(
        r"UNAUTHORIZED|\b401\b|DENIED|\b403\b|authentication required|incorrect username or password",
        "refuses our credentials, or the lack of them",
        "refuses our credentials, or the lack of them: look at the Secret exportImage.existingSecret",
        refused=True,
    ),
    Cause.of(
        r"MANIFEST_UNKNOWN|manifest unknown|\b404\b",
        "does not have the image any more",
        "lost what was just copied to it",
    ),
    Cause.of(
        r"no such host|server misbehaving|temporary failure in name resolution",
        "is not found: its name has no address",
        passing=True,
    ),
    Cause.of(
        r"connection refused|no route to host|network is unreachable|i/o timeout|context deadline exceeded"
        r"|TLS handshake timeout|Client\.Timeout",
        "cannot be reached",
        passing=True,
    ),
    _BROKEN,
    Cause.of(r"\b5\d\d\b|UNKNOWN: unknown error|UNAVAILABLE", "has an error of its own", passing=True),
)
#: A Harbor without the project says NOT_FOUND, too, but of the project.
_NOTHING_THERE = re.compile(r"MANIFEST_UNKNOWN|NAME_UNKNOWN|NOT_FOUND: (artifact|repository)")
_OTHER = Cause.of("", "did not do what was asked")


def fault(said: str, side: Side, registry: str) -> ExportError:
    """What crane's complaint about one registry means."""
    cause = _cause(said)
    sentence = cause.source if side == "source" else cause.target
    return ExportError(
        f"the {side} registry {registry} {sentence} ({shortened(said)})",
        passing=cause.passing,
        refused_by=side if cause.refused else None,
    )


def fault_of_copy(said: str, source: str, target: str) -> ExportError:
    """What crane's complaint about a copy means; both are names of images without tag or digest."""
    side = side_of(said, source, target)
    hosts = {"source": source.partition("/")[0], "target": target.partition("/")[0]}
    if _cause(said) is not _BROKEN:
        return fault(said, side, hosts[side])
    # What is sent to the one is read from the other at that moment, and crane always names the one.
    either = f"the connection to the source registry {hosts['source']} or to the target registry {hosts['target']}"
    return ExportError(f"{either} broke off in the middle ({shortened(said)})", passing=True)


def says_nothing_there(said: str) -> bool:
    """Whether the registry answered that it has nothing under that name, rather than that it cannot say."""
    return bool(_NOTHING_THERE.search(shortened(said)))


def side_of(said: str, source: str, target: str) -> Side:
    """Which of the two registries the address in a complaint is of."""
    host, _, path = target.partition("/")
    if host not in _HOST.findall(said):
        return "source"
    if source.startswith(f"{host}/"):
        return "target" if f"/v2/{path}/" in said else "source"
    return "target"


def shortened(said: str) -> str:
    """Crane's own last words in one line."""
    words = said.rpartition("Error: ")[2] if "Error: " in said else said
    return " ".join(words.split())[:_LONGEST]


def _cause(said: str) -> Cause:
    return next((cause for cause in _CAUSES if cause.said.search(said)), _OTHER)
