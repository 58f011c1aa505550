"""What of crane's output a job may show."""

import pytest

from workflow_templates.exportimage.quoting import Quoting

LOGGED = "2026/11/25 16:48:18 "
SECRET = "AKIA-of-the-node"


def quoted(printed: str) -> list[str]:
    quoting = Quoting()
    return [line for part in printed.splitlines() if (line := quoting.line(part))]


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        (f"Error: GET http://a/: unexpected status code 403 Forbidden: {SECRET}\n{SECRET}", "code 403 Forbidden"),
        (f"Error: no token in bearer response:\n{{{SECRET}}}\n", "no token in bearer response"),
        (
            f"Error: x: unexpected status code 500 Internal Server Error: <html>\nError: {SECRET}",
            "Internal Server Error",
        ),
        (f"Error: a: unexpected status code 418 : {SECRET}", "418"),
        (f"{LOGGED}retrying GET https://a/v2/: unexpected status code 502 Bad Gateway: {SECRET}", "502 Bad Gateway"),
    ],
)
def test_a_body_is_never_quoted(printed: str, kept: str) -> None:
    (line,) = quoted(printed)
    assert line.rstrip().endswith(kept)
    assert SECRET not in line


def test_what_follows_a_body_is() -> None:
    body = f"{LOGGED}retrying GET https://a/v2/: unexpected status code 502 Bad Gateway: {SECRET}\n{SECRET}\n"
    end = "Error: PUT https://a/v2/x/manifests/1: DENIED: quota exceeded"
    assert quoted(body + f"{LOGGED}pushed blob: sha256:00\n" + body + end)[1::2] == [
        f"{LOGGED}pushed blob: sha256:00",
        end,
    ]


def test_an_error_of_a_registrys_own_form_is() -> None:
    said = "Error: GET https://h/v2/a/manifests/1: UNAUTHORIZED: project custom not found: project custom not found"
    assert quoted(said) == [said]
    said = "Error: HEAD https://h/v2/a: unexpected status code 404 Not Found (HEAD responses have no body, use GET)"
    assert quoted(said) == [said]


def test_neither_queries_nor_control_characters_are() -> None:
    said = 'Error: Get "https://s3/b?X-Amz-Signature=abc": \x1b[31mEOF\x00'
    assert quoted(said) == ['Error: Get "https://s3/b":  [31mEOF']
