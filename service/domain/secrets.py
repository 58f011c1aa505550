"""Which of a caller's values are kept to themselves: the service neither records, logs nor answers them."""

import re
from collections.abc import Mapping

#: What stands in a secret value's place.
MASK = "***"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: Words that speak of a secret by themselves …
_ALONE = re.compile(
    r"auth(orization)?|bearer|cookie|creds?|jwt|passphrase|passwd|pat|pin|private|pwd|salt|session|signature"
)
#: … or beside another one (API_KEY, not KEY_COUNT) …
_KEY = re.compile(r"keys?|cert|dsn|connstr")
_BESIDE = re.compile(r"access|account|api|deploy|encryption|license|master|private|registry|sas|signing|ssh")
#: … or in the middle of a longer one.
_WITHIN = re.compile(r"password|passwd|passphrase|secret|token|credential|apikey|accesskey|privatekey|authkey|sshkey")


def looks_secret(name: str) -> bool:
    """Whether a variable of that name is likely to hold what nobody else may read; rather once too often."""
    words = [word.lower() for word in _WORD.findall(name)]

    def any_is(pattern: re.Pattern[str]) -> bool:
        return any(pattern.fullmatch(word) for word in words)

    return any_is(_ALONE) or (any_is(_KEY) and any_is(_BESIDE)) or _WITHIN.search("".join(words)) is not None


def masked(env: Mapping[str, str]) -> dict[str, str]:
    """The variables as anybody may read them."""
    return {name: MASK if looks_secret(name) else value for name, value in env.items()}
