from service.kube.cache import BriefCache


async def test_no_more_answers_are_kept_than_allowed() -> None:
    cache: BriefCache[int] = BriefCache(seconds=60, size=3)

    async def answer() -> int:
        return 1

    for key in range(100):
        await cache.get(key, answer)
    assert len(cache) == 3


async def test_the_latest_answers_are_the_ones_kept() -> None:
    cache: BriefCache[int] = BriefCache(seconds=60, size=2)
    asked: list[int] = []

    async def ask(key: int) -> int:
        asked.append(key)
        return key

    for key in (1, 2, 3, 3, 2, 1):
        assert await cache.get(key, lambda key=key: ask(key)) == key  # type: ignore[misc]
    assert asked == [1, 2, 3, 1]
