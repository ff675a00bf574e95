"""The screen in a real browser."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.command_line import Hil

pytest.importorskip("textual_serve", reason="the extra `web` is not installed")
aiohttp = pytest.importorskip("aiohttp")

from tests.browser import CHROMIUM, Page, chromium, devtools, free_port  # noqa: E402

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


async def visit(url: str, debugging_port: int) -> tuple[bytes, bytes, Page]:
    """What is seen of `url`, what after the key for help, and what the page asked for."""
    address = await devtools(debugging_port)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, max_msg_size=0) as connection,
    ):
        page = Page(connection)
        for domain in ("Network", "Log"):
            await page.ask(f"{domain}.enable")
        for _ in range(100):  # until the server listens
            if "errorText" not in await page.ask("Page.navigate", url=url):
                break
            await asyncio.sleep(0.1)
        # textual-serve's page says so when the first bytes of the screen have come.
        await page.until("document.body && document.body.classList.contains('-first-byte')")
        first = await page.settled()
        await page.click(700, 450)  # the terminal takes keys once it is clicked
        first = await page.settled()
        await page.press("?", "?")
        for _ in range(100):
            second = await page.settled()
            if second != first:
                return first, second, page
        raise AssertionError("the key for help changed nothing")


def test_a_real_browser_shows_the_screen_and_hears_its_keys(hil: Hil, tmp_path: Path) -> None:
    hil("run", "two-faults", "--boards", "inproc", "--frames", "240", "--out", "x")
    web = free_port()
    server = hil.start("watch", "x", "--web", "--port", web)
    try:
        with chromium(tmp_path / "profile") as debugging:
            first, second, page = asyncio.run(visit(f"http://127.0.0.1:{web}/", debugging))
    finally:
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=30)
    assert "Traceback" not in out + err
    (tmp_path / "first.png").write_bytes(first)
    (tmp_path / "second.png").write_bytes(second)
    own = (f"http://127.0.0.1:{web}/", f"ws://127.0.0.1:{web}/", "data:")
    assert all(url.startswith(own) for url in page.asked_for), page.asked_for
    assert any("/static/fonts/" in url for url in page.asked_for), page.asked_for
    assert page.refused == []
