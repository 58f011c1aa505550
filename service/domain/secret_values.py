"""Which of a caller's values are kept to themselves: the service neither records, logs nor returns them."""

import re
from collections.abc import Iterator, Mapping

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
#: What tokens begin with that say of themselves what they are: GitHub's, GitLab's, Hugging Face's, Slack's, npm's,
#: Docker's, PyPI's, OpenAI's, Google's; signed web tokens …
_TOKENS = {
    re.compile(r"[A-Za-z0-9_-]{16}"): (
        *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "npm_", "dckr_pat_", "pypi-", "sk-"),
        *("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "AIza"),
    ),
    re.compile(r"[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{4}"): ("eyJ",),
}
#: … and what a connection string, a header or a command line calls so.
_NAMES = {
    re.compile(r"[\"']? ?[=:] ?[^\s=:]"): (
        *("password", "passwd", "passphrase", "pwd", "secret", "token", "authorization"),
        *(f"{whose}{between}key" for whose in ("api", "access", "account") for between in ("", "-", "_")),
    ),
    re.compile(r"[= ][^\s-]"): ("--password",),
    re.compile(r"[A-Za-z0-9+/=._~-]{16}"): ("bearer ",),
}
#: So many places of one kind are looked at; a value with more is masked unseen.
_PLACES = 100
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
    """Whether a value gives away a password, a token or a private key.

    The time it takes grows as the value does, no faster.
    """
    if _PRIVATE_KEY.search(value) or _any_follows(value, _TOKENS, alone=True) or _any_follows(value.lower(), _NAMES):
        return True
    words = value.split() if "://" in value else ()
    return any(_USER_AND_PASSWORD.search(before) for word in words for before in word.split("@")[:-1])


def _any_follows(value: str, kinds: Mapping[re.Pattern[str], tuple[str, ...]], *, alone: bool = False) -> bool:
    """Whether one of the texts stands in the value with what its expression takes behind it; `alone`: as a word."""
    return any(
        places == _PLACES
        or (after.match(value, end) is not None and not (alone and value[start - 1 : start].isalnum()))
        for after, texts in kinds.items()
        for text in texts
        for places, (start, end) in enumerate(_places(value, text))
    )


def _places(value: str, text: str) -> Iterator[tuple[int, int]]:
    start = value.find(text)
    while start >= 0:
        yield start, start + len(text)
        start = value.find(text, start + len(text))
