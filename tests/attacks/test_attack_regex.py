"""The attacker sends a text on which an expression takes time that grows faster than the text.

One preflight request had `://:` 225,000 times as a value of env: the service stood for 50 s, its liveness probe killed
it, and no audit line said whose request it was.
"""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import service
import workflow_templates
from service.domain.secret_values import holds_secret, masked

#: A text of this many characters; where looking through it is quadratic, that takes tens of seconds.
LONG = 40_000
#: Seconds of this thread on a processor: the machine may be busy, and other threads. Linear ones take a hundredth.
ENOUGH = 1.5


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every expression that a module of the service or of the steps keeps, by where it stands."""
    for package in (service, workflow_templates):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Templates need hera and migrations alembic's context; neither looks at texts.
            if ".template" in found.name or ".migrations" in found.name or "__main__" in found.name:
                continue
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    yield f"{found.name}.{name}", value


PATTERNS = dict(patterns())


def seconds(pattern: re.Pattern[str], text: str) -> float:
    begun = time.thread_time()
    pattern.search(text)
    pattern.fullmatch(text)
    return time.thread_time() - begun


def pumps(pattern: re.Pattern[str]) -> Iterator[str]:
    """What may be repeated to keep the expression busy: its own letters and literals, one, two and three together."""
    plain = re.sub(r"\\[a-zA-Z]|\[[^\]]*\]|[\\^$*+?{}()|]", " ", pattern.pattern)
    words = sorted({word for word in plain.split() if word}, key=len)[:4]
    letters = ["a", "A", "0", ":", "/", "@", "-", ".", " ", "(", "://:", *words]
    yield from letters
    yield from (f"{one}{other}" for one in letters[:9] for other in letters[:9] if one != other)


@pytest.mark.parametrize("where", PATTERNS)
def test_no_expression_takes_longer_than_its_text(where: str) -> None:
    """A time grows with the size: tried at a quarter first, so that a bad one fails in seconds and not in minutes."""
    pattern = PATTERNS[where]
    for pump in pumps(pattern):
        for size in (LONG // 4, LONG):
            text = pump * (size // len(pump))
            taken = seconds(pattern, f"{text}\n!")
            assert taken < ENOUGH, f"{where}: {taken:.1f} s for {size} characters of {pump!r}"


def test_the_expressions_are_found() -> None:
    assert len(PATTERNS) > 30
    assert "service.domain.secret_values._USER_AND_PASSWORD" in PATTERNS


@pytest.mark.parametrize(
    "pump",
    [
        "://:",
        "://",
        "://a:",
        "://a:b",
        "-----BEGIN ",
        "-----BEGIN A",
        "PRIVATE KEY",
        "@",
        " ",
        "://:@ ",
        ":",
        "a@b://c:",
    ],
)
@pytest.mark.parametrize("end", ["", "@", " ", "-----"])
def test_looking_for_secrets_in_a_megabyte_takes_no_time(pump: str, end: str) -> None:
    """Variants: what else keeps a search for `://user:password@` and for private keys busy."""
    text = pump * (1_000_000 // len(pump)) + end
    begun = time.thread_time()
    masked({"A": text})
    assert time.thread_time() - begun < ENOUGH


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet=":/@ aA-BEGINPRVTKY\n", min_size=1, max_size=12), st.text(alphabet=":/@ -", max_size=3))
def test_nor_on_any_text_that_repeats(pump: str, end: str) -> None:
    text = pump * (200_000 // len(pump)) + end
    begun = time.thread_time()
    holds_secret(text)
    assert time.thread_time() - begun < ENOUGH
