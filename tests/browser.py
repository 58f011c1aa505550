"""Debian's chromium, driven by playwright, for tests of what people look at.

Their tests are plain functions (`def`, not `async def`): playwright's own event loop runs in the process for as long as
a module's `browser` does, and no fixture of theirs may be asynchronous either.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.postgresql import install

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path("/usr/bin/chromium")
#: Without a font a page is blank.
PACKAGES = ("chromium", "fonts-liberation")
#: Pictures that tests take, for people: `build/screenshots/<test>/<name>.png`.
SCREENSHOTS = Path(__file__).parents[1] / "build" / "screenshots"
#: As root chromium has no sandbox; /dev/shm is 64 MB in a container.
OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
#: Milliseconds that anything is waited for: as every wait of these tests, far longer than it takes.
PATIENCE = 300_000

Shoot = Callable[..., Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium for a module's tests; installed where it is missing."""
    try:
        install(*PACKAGES, is_there=CHROMIUM.exists)
    except subprocess.CalledProcessError as failed:
        pytest.skip(f"chromium cannot be installed from Debian's packages: {failed}")
    # Every pytest loads this module, and playwright takes it a second to import.
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS], timeout=PATIENCE)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's browser without anything in it: no cookie, no storage. It takes any certificate."""
    fresh = browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 800})
    fresh.set_default_timeout(PATIENCE)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of its own; what it shows when its test fails is kept beside the screenshots."""
    opened = context.new_page()
    failed_before = request.session.testsfailed
    yield opened
    if request.session.testsfailed > failed_before:
        _shoot(opened, request, "failed")


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Shoot:
    """Keep a picture of what is seen of the page now: `screenshot("list")`; `whole=True`: with what is below that."""
    return lambda name, **options: _shoot(page, request, name, **options)


def _shoot(page: Page, request: pytest.FixtureRequest, name: str, *, whole: bool = False) -> Path:
    test = re.sub(r"[^A-Za-z0-9_-]+", "-", request.node.name).strip("-")
    picture = SCREENSHOTS / test / f"{name}.png"
    page.screenshot(path=picture, full_page=whole)
    return picture
