"""What `kubectl get` is asked becomes the path that kubectl would ask."""

import pytest

from tests.e2e.reading import _asked


@pytest.mark.parametrize(
    ("arguments", "path", "query"),
    [
        ("node node-1", "/api/v1/nodes/node-1", {}),
        ("nodes -l role", "/api/v1/nodes", {"labelSelector": "role"}),
        ("namespaces", "/api/v1/namespaces", {}),
        ("pod p -n team-a", "/api/v1/namespaces/team-a/pods/p", {}),
        ("job/name -n team-a", "/apis/batch/v1/namespaces/team-a/jobs/name", {}),
        ("lease node-x -n jobs", "/apis/coordination.k8s.io/v1/namespaces/jobs/leases/node-x", {}),
        ("workflows -n jobs", "/apis/argoproj.io/v1alpha1/namespaces/jobs/workflows", {}),
        ("pods -A --field-selector a!=b,c=d", "/api/v1/pods", {"fieldSelector": "a!=b,c=d"}),
        ("configmap c", "/api/v1/namespaces/default/configmaps/c", {}),
    ],
)
def test_a_usual_question(arguments: str, path: str, query: dict[str, str]) -> None:
    assert _asked(tuple(arguments.split())) == (path, query)


@pytest.mark.parametrize("arguments", ["trainings.e2e.opsjob.io llm", "pods a b", "pod p --watch", "pod p -o wide"])
def test_all_else_is_for_kubectl(arguments: str) -> None:
    with pytest.raises(LookupError):
        _asked(tuple(arguments.split()))
