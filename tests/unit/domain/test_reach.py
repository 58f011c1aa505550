"""How far a right to create reaches, before anything in the cluster is looked at."""

import pytest

from service.domain.cluster_objects import Workspace
from service.domain.job import Named
from service.domain.reach import Reach

CLAIMED = Workspace("claimed", ("ns-claimed",))
CONTESTED = Workspace("contested", ("ns-old", "ns-new"))
OTHER = Workspace("other", ("ns-other",))
EVERY = [CLAIMED, CONTESTED, OTHER]


def inputs(*pairs: str) -> list[Named]:
    return [Named(*pair.split("=", 1)) for pair in pairs]


def test_what_several_namespaces_claim_is_within_nobodys_reach() -> None:
    everywhere = Reach.of(EVERY, (), everywhere=True)
    assert dict(everywhere.workspaces) == {"claimed": "ns-claimed", "other": "ns-other"}
    assert everywhere.contested == {"contested"}
    mine = Reach.of(EVERY, {"ns-claimed", "ns-new"}, everywhere=False)
    assert dict(mine.workspaces) == {"claimed": "ns-claimed"}
    assert mine.contested == {"contested"}
    assert "in contested no new job is accepted" in mine.but
    assert Reach.of(EVERY, {"ns-other"}, everywhere=False).but == ""


@pytest.mark.parametrize(
    ("named", "beyond"),
    [
        (["workspace=claimed"], ""),
        (["workspace=claimed", "node=n1"], ""),
        (["workspace=contested"], ""),  # is refused for what it is
        (["workload=w"], ""),
        (["workload=w", "workspace=claimed", "workspace=other"], ""),
        (["workspace=other"], "in workspace 'other'"),
        (["workload=w", "workspace=other"], "in workspace 'other'"),
        (["workspace=claimed", "workspace=other"], "on nodes of several workspaces"),
        (["node=n1"], "on nodes of no one workspace"),
        (["cluster=c"], "on nodes of no one workspace"),
        (["node.selector=a=b"], "on nodes of no one workspace"),
    ],
)
def test_what_is_beyond_a_workspaces_right_is_known_from_the_inputs(named: list[str], beyond: str) -> None:
    mine = Reach.of(EVERY, {"ns-claimed", "ns-new"}, everywhere=False)
    assert mine.beyond(inputs(*named)) == beyond
    assert Reach.of(EVERY, (), everywhere=True).beyond(inputs(*named)) == ""


def test_workloads_are_looked_for_in_the_named_workspaces_within_reach() -> None:
    mine = Reach(workspaces={"claimed": "ns-claimed", "more": "ns-more"})
    assert mine.searched(inputs("workload=w")) == {"claimed": "ns-claimed", "more": "ns-more"}
    assert mine.searched(inputs("workload=w", "workspace=claimed", "workspace=other")) == {"claimed": "ns-claimed"}
