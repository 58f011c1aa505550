from service.kube.known_tokens import KnownTokens


def test_a_token_is_known_from_when_it_is_accepted_until_it_is_refused() -> None:
    known = KnownTokens(callers=2, each=2)
    assert b"t" not in known
    known.add("alice", b"t")
    assert b"t" in known
    known.drop(b"t")
    known.drop(b"never known")
    assert b"t" not in known


def test_a_caller_with_many_tokens_makes_nobody_elses_unknown() -> None:
    known = KnownTokens(callers=2, each=2)
    known.add("alice", b"hers")
    for number in range(50):
        known.add("mallory", b"m%d" % number)
    assert b"hers" in known
    assert (b"m49" in known, b"m47" in known, len(known)) == (True, False, 3)


def test_of_many_callers_the_latest_are_known() -> None:
    known = KnownTokens(callers=2, each=2)
    for name in ("a", "b", "a", "c"):
        known.add(name, name.encode())
    assert [name in known for name in (b"a", b"b", b"c")] == [True, False, True]
    assert len(known) == 2


def test_a_token_that_is_another_callers_now_is_theirs() -> None:
    known = KnownTokens(callers=2, each=1)
    known.add("alice", b"t")
    known.add("bob", b"t")
    known.add("alice", b"u")
    assert (b"t" in known, b"u" in known) == (True, True)
