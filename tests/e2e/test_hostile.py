"""Input as an attack: hostile text in every string field of every type, on the live service."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service.domain.job import JobType
from tests.e2e.live import Api, Cluster, inputs

JOBS = "/api/v1/opsjobs"

HOSTILE: dict[str, Any] = {
    "Argo": "{{workflow.name}} {{=sprig.env('PATH')}} {{inputs.parameters.node}}",
    "shell": "$(touch /tmp/pwned); `touch /tmp/pwned` | touch /tmp/pwned & '\"",
    "path": "../../../../etc/passwd",
    "absolute path": "/etc/shadow",
    "SQL": "'; DROP TABLE jobs; --",
    "wildcards": "%_*?[a-z]",
    "HTML": "<script>alert(1)</script>",
    "JSON": '"}],"x":{"y":"',
    "YAML": "a: &a [*a, *a]\n- !!python/object:os.system",
    "header": "a\r\nX-Evil: yes",
    "NUL": "a\0b",
    "controls": "\x01\x07\x08\x1b[31m\x7f\x85",
    "right to left": "\u202egnp.exe\u202c",
    "half a pair": "\ud800",
    "invisible": "\u200b\ufeff\u2028",
    "combining": "a" + "\u0301" * 500,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈",
    "long": "x" * 100_000,
    "almost too large": "x" * 1_000_000,
    "format": "%s%n%x {0} {__class__}",
    "number": 10**4000,
    "fraction": 0.1,
    "list": [["a"]] * 100,
    "object": {"a": {"b": "c"}},
    "null": None,
    "truth": True,
}
#: JSON that no serializer writes.
RAW: dict[str, bytes] = {
    "huge exponent": b"1e400",
    "tiny exponent": b"1e-400",
    "minus zero": b"-0.0",
    "many digits": b"9" * 4000,
    "more digits than Python reads": b"9" * 10_000,
    "not a number": b"NaN",
    "deep lists": b"[" * 900 + b"]" * 900,
    "deeper lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "not UTF-8": b'"\xff\xfe"',
    "overlong": b'"\xc0\xaf"',
}

MARK = "MARK-4f1c"


def orders(nodes: list[str]) -> dict[str, dict[str, Any]]:
    """A well-formed order of each type with every field that its type has."""
    common: dict[str, Any] = {"name": "hostile", "excludedNodes": ["nothing"], "timeoutSecond": 60}
    by_node = [{"name": "node", "value": nodes[0]}]
    by_workload = {**common, "inputs": [{"name": "workload", "value": "nothing"}]}
    return {
        JobType.ADDON: {
            **common,
            "type": "addon",
            "inputs": [{"name": "addon.template", "value": "disable-os-upgrade"}, *by_node],
            "batchCount": 1,
            "availableRatio": 1,
        },
        JobType.PREFLIGHT: {
            **common,
            "type": "preflight",
            "inputs": by_node,
            "image": "busybox:opsjobs",
            "entryPoint": base64.b64encode(b"true").decode(),
            "env": {"CHECK": "disk"},
            "resource": {"cpu": "1", "memory": "1Gi", "gpu": "1", "ephemeralStorage": "1Gi", "sharedMemory": "1Gi"},
            "hostpath": ["/nfs_models"],
        },
        JobType.DUMPLOG: {**by_workload, "type": "dumplog"},
        JobType.REBOOT: {**common, "type": "reboot", "inputs": by_node},
        JobType.EXPORTIMAGE: {**by_workload, "type": "exportimage"},
    }


def spoiled(value: Any) -> Iterator[tuple[str, Any]]:
    """The order with MARK in place of one of its values or keys at a time, and the path of that."""
    match value:
        case dict():
            for key, item in value.items():
                for path, changed in spoiled(item):
                    yield f".{key}{path}", {**value, key: changed}
                yield f".{key} as a name", {(MARK if name == key else name): item for name, item in value.items()}
        case list():
            for index, item in enumerate(value):
                for path, changed in spoiled(item):
                    yield f"[{index}]{path}", [*value[:index], changed, *value[index + 1 :]]
        case _:
            yield "", MARK


def is_harmless(answer: httpx.Response) -> bool:
    """Refused or planned, in JSON, and nothing of the request stands in it unescaped."""
    json.loads(answer.content)
    kind = answer.headers["content-type"]
    raw = answer.content.decode()
    return (
        answer.status_code in (200, 400, 413)
        and kind == ("application/json" if answer.status_code == 200 else "application/problem+json")
        and not any(ord(character) < 32 for character in raw)
        and "x-evil" not in answer.headers
        and len(raw) < 1_000_000
    )


@pytest.mark.parametrize("kind", JobType)
def test_no_field_takes_harm(cluster: Cluster, api: Api, kind: JobType) -> None:
    attacks = {name: json.dumps(value).encode() for name, value in HOSTILE.items()} | RAW
    tried = 0
    for path, order in spoiled(orders(cluster.nodes())[kind]):
        template = json.dumps(order).encode()
        # A name can only be text; huge bodies are tried once a type.
        names_a_key = path.endswith("as a name")
        for attack, value in attacks.items():
            if (names_a_key and not value.startswith(b'"')) or (attack == "almost too large" and path != ".name"):
                continue
            body = template.replace(f'"{MARK}"'.encode(), value)
            answer = api.client.post(JOBS, params={"dryRun": "true"}, content=body)
            assert is_harmless(answer), f"{attack} in {path}: {answer.status_code} {answer.text[:500]}"
            tried += 1
    assert tried > 100


@pytest.mark.parametrize("text", [value for value in HOSTILE.values() if isinstance(value, str)], ids=lambda v: v[:12])
def test_no_query_header_or_path_takes_harm(api: Api, text: str) -> None:
    printable = text.encode("utf-8", "surrogatepass")[:2000]
    names = "offset limit sortBy order since until clusterId userName jobName phase type includeDeleted dryRun x"
    for name in names.split():
        assert is_harmless(api.client.get(f"{JOBS}?{name}={quoted(printable)}")), name
    answer = api.client.get(f"{JOBS}/{quoted(printable)}")
    assert answer.status_code in (400, 404, 405)
    assert not any(ord(character) < 32 for character in answer.text)
    if printable.isascii() and printable.decode().isprintable():
        headers = {"Idempotency-Key": printable.decode(), "X-Request-Id": printable.decode()}
        assert is_harmless(api.client.post(JOBS, headers=headers, json={}))


def quoted(text: bytes) -> str:
    return "".join(f"%{byte:02X}" for byte in text)


def test_a_hostile_name_runs_as_text_and_is_kept_as_it_was(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    """In the record, in the Workflow and on the node."""
    proof = f"/run/pwned-{secrets.token_hex(4)}"
    name = f"{{{{workflow.uid}}}} $(touch {proof}) `touch {proof}` ../ \u202e <b>{{{{=1+1}}}}</b>"
    template = addon(f"echo '{{{{workflow.name}}}}'; test ! -e {proof}")
    job_id = api.create(name=name, inputs=inputs(template, nodes=[node]), excludedNodes=["{{workflow.name}}"])
    job = api.finished(job_id)
    assert (job["phase"], job["jobName"]) == ("Succeeded", name)
    assert job["excludedNodes"] == ["{{workflow.name}}"]
    assert "{{workflow.name}}" in next(output["value"] for output in job["outputs"] if output["name"] == "report")
    notes = cluster.get("workflow", job_id, "-n", cluster.jobs)["metadata"]["annotations"]
    assert "{" not in notes["workflows.argoproj.io/description"]
    assert cluster.on_host(node, "sh", "-c", f"ls {proof} 2>/dev/null || true").strip() == ""
    listed = api.client.get(JOBS, params={"jobName": f"$(touch {proof})"}).json()["items"]
    assert [item["jobName"] for item in listed] == [name]


@pytest.mark.long
def test_a_hostile_check_is_handed_its_text_as_it_was(cluster: Cluster, api: Api, node: str) -> None:
    """What a preflight job is given reaches its script byte for byte, and nothing of it is run on the way."""
    proof = f"pwned-{secrets.token_hex(4)}"
    evil = f"{{{{workflow.uid}}}} $(touch /tmp/{proof}) `touch /tmp/{proof}` '\"; {{{{=1+1}}}} <b>\\n"
    wanted = base64.b64encode(evil.encode()).decode()
    compare = f'import base64, os, sys; sys.exit(base64.b64encode(os.environ["EVIL"].encode()).decode() != "{wanted}")'
    script = f"python3 -c '{compare}' && test ! -e /tmp/{proof} && echo '{{{{workflow.name}}}}'"
    body: dict[str, Any] = {
        "type": "preflight",
        "name": f"check {evil}",
        "inputs": [{"name": "node", "value": node}],
        "image": cluster.image,
        "entryPoint": base64.b64encode(script.encode()).decode(),
        "env": {"EVIL": evil},
        "timeoutSecond": 240,
    }
    job = api.finished(api.create(**body))
    assert job["phase"] == "Succeeded", job["conditions"]
    assert (job["jobName"], job["env"]) == (f"check {evil}", {"EVIL": evil})


def test_a_body_of_unknown_length_ends_at_the_limit(api: Api) -> None:
    """Sent in chunks, without a Content-Length."""
    chunks = (b" " * 65_536 for _ in range(17))
    answer = api.client.post(JOBS, content=chunks)
    assert answer.status_code == 413, answer.text
