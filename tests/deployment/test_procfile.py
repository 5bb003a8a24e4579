"""The Procfile's `web:` line as a platform runs it: another port, another host name, a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.ui
HOST, OTHER_HOST = "tags.example.test", "elsewhere.example.test"


def test_a_prediction_under_another_host_name(serve_web: Callable[..., int], browser: Browser) -> None:
    port = serve_web()
    page = browser.new_page()
    page.goto(f"http://{HOST}:{port}/")
    page.goto(f"http://{HOST}:{port}/app")
    page.get_by_role("link", name="Inference").click()
    page.get_by_label("Text", exact=True).fill("Counting seals in satellite images with YOLO")
    expect(page.locator("div.tag", has_text="computer-vision")).to_be_visible(timeout=30_000)
    page.close()


OPEN_SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url, ["bokeh", "token"])
    socket.onopen = () => done("opened")
    socket.onerror = () => done("refused")
})"""


@pytest.mark.parametrize(("site", "outcome"), [(HOST, "opened"), (OTHER_HOST, "refused")])
def test_only_the_page_itself_may_open_the_websocket(
    serve_web: Callable[..., int], browser: Browser, site: str, outcome: str
) -> None:
    port = serve_web()
    page = browser.new_page()
    page.goto(f"http://{site}:{port}/liveness")
    assert page.evaluate(OPEN_SOCKET, f"ws://{HOST}:{port}/app/ws") == outcome
    page.close()


def test_a_password_is_asked_for(serve_web: Callable[..., int], browser: Browser) -> None:
    secrets = {"PANEL_BASIC_AUTH": "open sesame", "PANEL_COOKIE_SECRET": "0123456789abcdef" * 4}
    port = serve_web(**secrets)
    page = browser.new_page()
    page.goto(f"http://{HOST}:{port}/app")
    assert "905" not in page.content()
    for password in ("wrong", "open sesame"):
        page.locator("input[name=username]").fill("reader")
        page.locator("input[name=password]").fill(password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_load_state()
        if password == "wrong":
            assert "905" not in page.content()
    expect(page.get_by_text("905").first).to_be_visible(timeout=30_000)
    page.close()


@pytest.mark.parametrize(("asked", "buttons"), [({}, 0), ({"TAGSCOPE_DASHBOARD__SAVE_SLICES": "true"}, 1)])
def test_visitors_save_slices_only_where_the_operator_says_so(
    serve_web: Callable[..., int], browser: Browser, asked: dict[str, str], buttons: int
) -> None:
    port = serve_web(**asked)
    page = browser.new_page()
    page.goto(f"http://{HOST}:{port}/app?split=test")
    expect(page.get_by_role("button", name="Split: test")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Save as slice")).to_have_count(buttons)
    page.close()
