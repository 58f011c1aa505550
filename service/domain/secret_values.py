"""Which of a caller's values are kept to themselves: the service neither records, logs nor returns them."""

import re
from collections.abc import Mapping

#: What stands in a secret value's place.
MASK = "***"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: Words that speak of a secret by themselves …
_ALONE = re.compile(
    r"auth(orization)?|bearer|cookie|creds?|dsn|jwt|passphrase|passwd|pat|pin|private|pwd|salt|session|signature|webhook"
    r"|(db|pg|root|ssh|sudo|user)?pass"
)
#: … or beside another one (API_KEY, not KEY_COUNT) …
_BESIDE = (
    (
        re.compile(r"keys?|cert"),
        re.compile(r"access|account|api|deploy|encryption|license|master|private|registry|sas|signing|ssh"),
    ),
    (
        re.compile(r"ur[li]"),
        re.compile(r"amqp|broker|database|db|jdbc|mariadb|mongo|mongodb|mysql|postgres|postgresql|rabbitmq|redis"),
    ),
)
#: … or at the end, where what stands before does not say that it is for all to see (OPENAI_KEY, not SORT_KEY) …
_KEY = re.compile(r"keys?")
_OPEN = re.compile(r"foreign|partition|primary|public|sort")
#: … or in the middle of a longer one.
_WITHIN = re.compile(
    r"password|passwd|passphrase|secret|token|credential|(api|access|private|auth|ssh)key|conn(ection)?str(ing)?"
)
#: Values that give it away whatever their name: private keys, and scheme://user:password@host. What stands before a `@`
#: is looked at by itself: one expression for all of it would look through the rest of the value at each `://:` again,
#: and a value of a megabyte would take it a minute (tests/attacks/test_attack_regex.py).
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
_USER_AND_PASSWORD = re.compile(r"://[^/:]*:.")


def looks_secret(name: str) -> bool:
    """Whether a variable of that name is likely to hold a secret; rather once too often."""
    words = [word.lower() for word in _WORD.findall(name)]

    def any_is(pattern: re.Pattern[str]) -> bool:
        return any(pattern.fullmatch(word) for word in words)

    return (
        any_is(_ALONE)
        or any(any_is(what) and any_is(whose) for what, whose in _BESIDE)
        or _ends_in_a_key(words)
        or _WITHIN.search("".join(words)) is not None
    )


def _ends_in_a_key(words: list[str]) -> bool:
    plain = [word for word in words if not word.isdigit()]
    return len(plain) > 1 and bool(_KEY.fullmatch(plain[-1])) and not _OPEN.fullmatch(plain[-2])


def masked(env: Mapping[str, str]) -> dict[str, str]:
    """The variables with their secrets masked."""
    return {name: MASK if looks_secret(name) or holds_secret(value) else value for name, value in env.items()}


def holds_secret(value: str) -> bool:
    """Whether a value gives away a password or a private key. The time it takes grows as the value does, no faster."""
    if _PRIVATE_KEY.search(value):
        return True
    words = value.split() if "://" in value else ()
    return any(_USER_AND_PASSWORD.search(before) for word in words for before in word.split("@")[:-1])
