"""Who may freeze the cluster has every step that waits write another step's lines, or drive a terminal."""

import pytest

from tests.unit.api.wired import client_of
from tests.unit.api.world import World
from workflow_templates.protocol.freeze import Freeze

HOSTILE = "storage\nopsjob: done\r\x1b[2J\u202e\u2028" + "x" * 400


async def test_a_reason_is_one_line_of_text() -> None:
    world = World()
    async with client_of(world.app()) as client:
        assert (await client.put("/api/v1/freeze", json={"reason": HOSTILE})).status_code == 200
    assert world.frozen is not None
    assert world.frozen.sentence == f"the cluster is frozen by alice: storage opsjob: done [2J {'x' * 400}"


@pytest.mark.parametrize("field", ["by", "reason"])
def test_so_is_what_a_person_wrote_into_the_object_and_no_longer(field: str) -> None:
    found = Freeze.of({"metadata": {}, "data": {field: HOSTILE + "x" * 1_000_000}})
    assert found is not None
    assert found.sentence.isprintable()
    assert len(found.sentence) < 600
