import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.job_ids import job_id

DNS_LABEL_FROM_A_LETTER = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def always_x(alphabet: str) -> str:
    assert "x" in alphabet
    return "x"


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("addon-upgrade", "addon-upgrade"),
        ("Addon Upgrade", "addon-upgrade"),
        ("  roll out: v1.2.3!  ", "roll-out-v1-2-3"),
        ("123", "job-123"),
        ("-9 lives-", "job-9-lives"),
        ("升级", "opsjob"),
        ("升级 node", "node"),
        ("a升b", "a-b"),
        ("Crème brûlée", "creme-brulee"),
        ("straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("{{workflow.name}}", "workflow-name"),
        ("../../etc", "etc"),
        ("a" * 253, "a" * 51),
        ("a" * 50 + "-bcd", "a" * 50),
    ],
)
def test_the_id_begins_with_the_normalized_name(name: str, prefix: str) -> None:
    assert job_id(name, always_x) == f"{prefix}-xxxxxx"


def holds_a_letter_or_digit(name: str) -> bool:
    return any(character.isalnum() for character in name)


@given(st.text(min_size=1, max_size=253).filter(holds_a_letter_or_digit))
def test_every_display_name_makes_a_dns_label(name: str) -> None:
    made = job_id(name)
    assert len(made) <= 58, "a job of several Workflows appends a number"
    assert DNS_LABEL_FROM_A_LETTER.fullmatch(made)
    assert re.fullmatch(r"-[a-z0-9]{6}", made[-7:])


def test_the_suffix_takes_each_character_from_the_source() -> None:
    characters = iter("a1b2z9")
    assert job_id("x", lambda _: next(characters)) == "x-a1b2z9"


def test_the_source_may_choose_any_letter_or_digit() -> None:
    offered: set[str] = set()

    def choose(alphabet: str) -> str:
        offered.update(alphabet)
        return secrets.choice(alphabet)

    job_id("x", choose)
    assert offered == set("abcdefghijklmnopqrstuvwxyz0123456789")


def test_two_jobs_of_one_name_differ() -> None:
    assert len({job_id("same") for _ in range(100)}) == 100
