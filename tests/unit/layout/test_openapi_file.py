"""docs/openapi.json is what clients are generated from."""

from service import openapi_file


def test_it_is_what_the_routes_say() -> None:
    assert openapi_file.FILE.read_text() == openapi_file.text(), "run make render, and commit docs/openapi.json"
