"""Who may see no job learns nothing of it by following it, nor by looking at the machines."""

from collections.abc import Callable

from tests.e2e.live import Api, Cluster, inputs


def test_a_caller_without_rights_follows_no_job_and_sees_no_node(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    job_id = api.create(name="secret", inputs=inputs(addon("true"), nodes=[node]))
    stranger = {"Authorization": f"Bearer {cluster.token('default')}"}
    theirs = api.client.get(f"/api/v1/opsjobs/{job_id}/events", headers=stranger)
    unknown = api.client.get("/api/v1/opsjobs/secret-zzzzzz/events", headers=stranger)
    assert (theirs.status_code, unknown.status_code) == (404, 404)
    assert theirs.text.replace(job_id, "secret-zzzzzz") == unknown.text
    nodes = api.client.get("/api/v1/nodes", headers=stranger)
    assert (nodes.status_code, nodes.json()) == (200, {"totalCount": 0, "items": []})
    refused = api.client.get("/api/v1/nodes", params={"selector": "kubernetes.io/hostname"}, headers=stranger)
    assert refused.status_code == 400
