"""What crane prints, as a sentence that says which registry failed and what to do, and whether to try again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workflow_templates.exportimage.crane import STALLED

Side = Literal["source", "target"]

_HOST = re.compile(r"https?://([^/\s\"]+)")
#: What names something rather than saying what is wrong: an image or a host may be called `quota` or `http-507`.
_NAMES = re.compile(
    r"""https?://\S+ | "[^"]*" | (?<!\S)[^\s/]*/\S+ | \bname[=:]\S* | \blookup\ \S+""", re.IGNORECASE | re.VERBOSE
)
#: Where crane's error begins; before it are lines on what was tried.
_ERROR_BEGINS = re.compile(r"^Error: ", re.MULTILINE)
#: Letters of crane's own words that are quoted; what the sentence says comes first.
_LONGEST = 500


class ExportError(Exception):
    """The export cannot go on; the message is for a person.

    `passing`: trying again may help. `refused`: the registry does not let us in as who we say we are. `unreadable`: it
    has the image, but does not give it out. `side`: which registry failed; None: unknown.
    """

    def __init__(
        self,
        sentence: str,
        *,
        passing: bool = False,
        refused: bool = False,
        unreadable: bool = False,
        side: Side | None = None,
    ) -> None:
        super().__init__(sentence)
        self.passing = passing
        self.refused = refused
        self.unreadable = unreadable
        self.side = side


@dataclass(frozen=True, slots=True)
class Cause:
    pattern: re.Pattern[str]
    source: str
    target: str
    passing: bool = False
    refused: bool = False
    unreadable: bool = False
    #: Its address says nothing of whose fault it is.
    sideless: bool = False

    @classmethod
    def of(cls, pattern: str, source: str, target: str = "", **what: bool) -> "Cause":
        return cls(re.compile(pattern, re.IGNORECASE), source, target or source, **what)


#: The first that matches counts. Each sentence goes on from "the source registry NAME …".
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
        # Harbor, of an artifact that it has not scanned yet or found vulnerable ("prevent vulnerable images").
        r"PROJECTPOLICYVIOLATION|status code 412",
        "does not hand the image out: a policy of its project forbids it while it is scanned, or for what was found",
        passing=True,
        unreadable=True,
    ),
    Cause.of(
        r"project \S* ?(was )?not found|PROJECT_?NOT_?FOUND|NAME_UNKNOWN",
        "does not know the image's repository any more",
        "has no such project: make it there, or name another in exportImage.project",
    ),
    Cause.of(
        r"no space left on device|disk quota exceeded|insufficient storage|status code 507",
        "has no space left on its disk",
    ),
    Cause.of(
        r"\bquota\b|storage resource|exceed the configured upper limit",
        "refuses because of a quota",
        "refuses: the quota of the project is used up",
    ),
    Cause.of(
        r"TOOMANYREQUESTS|too many requests|status code 429|rate limit",
        "limits how often it may be called (too many requests)",
        passing=True,
    ),
    Cause.of(
        r"UNAUTHORIZED|DENIED:|access to the (requested )?resource is (denied|not authorized)|status code 40[13]"
        r"|authentication required|incorrect username or password",
        "refuses our credentials, or the lack of them",
        "refuses our credentials, or the lack of them: look at the Secret exportImage.existingSecret",
        refused=True,
    ),
    Cause.of(
        r"MANIFEST_UNKNOWN|manifest unknown",
        "does not have the image any more",
        "lost what was just copied to it",
    ),
    Cause.of(
        r"NOT_FOUND:|status code 404",
        "does not have the image any more",
        "has nothing of that name: is exportImage.registry a registry, and does exportImage.project exist there?",
    ),
    Cause.of(
        r"no such host|server misbehaving|temporary failure in name resolution",
        "is not found: its name has no address",
        passing=True,
    ),
    Cause.of(
        r"connection refused|no route to host|network is unreachable|\btimeout\b|context deadline exceeded"
        r"|Client\.Timeout",
        "cannot be reached",
        passing=True,
    ),
    Cause.of(STALLED, "went silent", passing=True),
    Cause.of(
        r"\bEOF\b|connection reset|broken pipe|closed network connection|stream error|GOAWAY"
        r"|BLOB_UPLOAD_|DIGEST_INVALID",
        "broke the connection off in the middle",
        # What is sent to the one is read from the other at that moment, and crane always names the one.
        passing=True,
        sideless=True,
    ),
    Cause.of(
        r"status code 5\d\d|bad gateway|service unavailable|gateway timeout|internal server error"
        r"|UNKNOWN: unknown error|UNAVAILABLE",
        "has an error of its own",
        passing=True,
    ),
)
#: A Harbor without the project says NOT_FOUND, too, but of the project.
_NOTHING_THERE = re.compile(
    r"MANIFEST_UNKNOWN|NAME_UNKNOWN|NOT_FOUND: (artifact|repository)|/manifests/\S+ unexpected status code 404"
)
_OTHER = Cause.of("", "did not do what was asked")
_REFUSED = Cause.of("", "leads to where an export does not call")


def fault(output: str, side: Side, registry: str, refusals: Sequence[str] = ()) -> ExportError:
    """What crane's complaint about one registry means; `refusals` are the calls that the step's proxy refused."""
    cause = _cause(output, refusals)
    sentence = cause.source if side == "source" else cause.target
    return _error(f"the {side} registry {registry} {sentence}", output, refusals, cause, side)


def fault_of_copy(output: str, source: str, target: str, refusals: Sequence[str] = ()) -> ExportError:
    """What crane's complaint about a copy means; both are names of images without tag or digest."""
    cause, side = _cause(output, refusals), side_of(output, source, target)
    hosts = {"source": source.partition("/")[0], "target": target.partition("/")[0]}
    if side and not cause.sideless:
        return fault(output, side, hosts[side], refusals)
    either = f"the source registry {hosts['source']} or the target registry {hosts['target']}"
    return _error(f"{either} {cause.source}", output, refusals, cause, None)


def is_absent(output: str) -> bool:
    """Whether the registry answered that it has nothing under that name, rather than that it cannot say."""
    return bool(_NOTHING_THERE.search(shortened(output)))


def side_of(output: str, source: str, target: str) -> Side | None:
    """Which of the two registries the address in a complaint is of; a token service or a store may be elsewhere."""
    names: dict[Side, str] = {"source": source, "target": target}
    words = _error_text(output)
    asked = _HOST.findall(words)
    ours: list[Side] = [side for side, name in names.items() if any(_is_at(host, name) for host in asked)]
    if len(ours) > 1:
        ours = [side for side in ours if f"/v2/{names[side].partition('/')[2]}/" in words]
    return ours[0] if len(ours) == 1 else None


def shortened(output: str) -> str:
    """Crane's own error in one line."""
    return " ".join(_error_text(output).split())[:_LONGEST]


def _is_at(host: str, image: str) -> bool:
    registry = image.partition("/")[0]
    return host == registry or (registry == "docker.io" and host.endswith(".docker.io"))


def _error(sentence: str, output: str, refusals: Sequence[str], cause: Cause, side: Side | None) -> ExportError:
    words = f"{sentence}: {'; '.join(refusals)}" if refusals else sentence
    if quoted := shortened(output):
        words = f"{words} ({quoted})"
    return ExportError(
        words,
        passing=cause.passing and not refusals,
        refused=cause.refused,
        unreadable=cause.unreadable,
        side=side,
    )


def _error_text(output: str) -> str:
    return _ERROR_BEGINS.split(output)[-1]


def _cause(output: str, refusals: Sequence[str]) -> Cause:
    """By its error; where that only says how a repeated request went wrong, by why it had to be repeated."""
    repeated = " ".join(line for line in output.splitlines() if "retrying " in line)
    for words in (_NAMES.sub(" ", text) for text in (_error_text(output), repeated)):
        for cause in _CAUSES:
            if cause.pattern.search(words):
                return cause
    return _REFUSED if refusals else _OTHER
