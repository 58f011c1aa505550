"""The browser that tests of pages use: it opens one, waits for what is on it and keeps a picture."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Shoot


@pytest.mark.slow
def test_a_page_is_opened_and_kept_as_a_picture(page: Page, screenshot: Shoot) -> None:
    page.set_content("<h1>Nodes</h1><script>document.title = 'scripts ' + 'run'</script>")
    expect(page.get_by_role("heading", name="Nodes")).to_be_visible()
    expect(page).to_have_title("scripts run")
    assert screenshot("heading").read_bytes().startswith(b"\x89PNG")
