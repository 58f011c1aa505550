from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page
from structlog.testing import capture_logs

from tests.cli.served import Served
from tests.console.town import Desk, Town

#: Signs somebody in on a page of the console.
SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with capture_logs():
        served = Served(tmp_path_factory.mktemp("records"))
        yield served
        served.close()


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def service(one_service: Served, town: Town) -> Served:
    """The real service with its console, over that town; jobs of tests before are still in its records."""
    one_service.begin(town, node_labels=["rack", "gpu"])
    return one_service


@pytest.fixture
def desk(service: Served, town: Town) -> Desk:
    return Desk(service, town)


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """Errors of scripts, and what the policy of the page refused: there must be none."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda said: found.append(said.text) if "Content Security Policy" in said.text else None)
    yield found
    assert found == []


@pytest.fixture
def sign_in(page: Page, service: Served, complaints: list[str]) -> SignIn:
    def signed_in(path: str = "/fleet", who: str = "alice") -> Page:
        assert complaints == []
        page.goto(f"{service.url}/console{path}")
        page.get_by_label("Token").fill(who)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("banner").get_by_text(who).wait_for()
        return page

    return signed_in
