"""Names that are made, not given."""

import re
import secrets
import string
import unicodedata
from collections.abc import Callable

SUFFIX_LENGTH = 6
#: A DNS label, and a Kubernetes label value; ids of before may be as long.
MAX_LENGTH = 63
#: Of a new id: a job of several Workflows appends a number (contract: name).
MAX_NEW_LENGTH = 58
#: What a name with no Latin letter or digit in it becomes.
FALLBACK = "opsjob"

_ALPHABET = string.ascii_lowercase + string.digits
_JOB_ID = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_OTHERS = re.compile(r"[^a-z0-9]+")


def job_id(name: str, choose: Callable[[str], str] = secrets.choice) -> str:
    """A new id for a job of that display name: a DNS label that starts with a letter (contract: name).

    Args:
        name: any text; accents are dropped, everything that is no Latin letter or digit separates words.
        choose: picks one character of a text, at random.
    """
    suffix = "".join(choose(_ALPHABET) for _ in range(SUFFIX_LENGTH))
    prefix = _normalized(name)[: MAX_NEW_LENGTH - SUFFIX_LENGTH - 1].strip("-")
    return f"{prefix}-{suffix}"


def is_job_id(text: str) -> bool:
    """Whether a job could have that id; what cannot be one need not be looked for."""
    return len(text) <= MAX_LENGTH and _JOB_ID.fullmatch(text) is not None


def _normalized(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold()).casefold()
    without_accents = "".join(character for character in decomposed if not unicodedata.combining(character))
    words = _OTHERS.sub("-", without_accents).strip("-")
    if not words:
        return FALLBACK
    return words if words[0].isalpha() else f"job-{words}"
