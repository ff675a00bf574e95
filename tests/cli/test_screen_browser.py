"""The screen in a real browser: headless Chromium, steered through its DevTools."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Hil

pytest.importorskip("textual_serve", reason="the extra `web` is not installed")
aiohttp = pytest.importorskip("aiohttp")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
PATIENCE_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


TEXT_BYTES = 30_000
"""A page full of text does not compress as a splash or an empty terminal does (9 kB)."""


class Page:
    """One page of the browser."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.asked_for: set[str] = set()
        self.refused: list[str] = []

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._connection.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._connection.receive_json(timeout=PATIENCE_S)
            self._note(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _note(self, event: dict[str, Any]) -> None:
        """What the browser asks for, and what its policy keeps it from."""
        told = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.asked_for.add(told["request"]["url"])
        elif event.get("method") == "Network.webSocketCreated":
            self.asked_for.add(told["url"])
        elif event.get("method") == "Log.entryAdded" and told["entry"]["source"] == "security":
            self.refused.append(told["entry"]["text"])

    async def tells(self, expression: str) -> Any:
        result = await self.ask("Runtime.evaluate", expression=expression)
        return result["result"].get("value")

    async def picture(self) -> bytes:
        return base64.b64decode((await self.ask("Page.captureScreenshot"))["data"])

    async def until(self, expression: str) -> None:
        for _ in range(round(PATIENCE_S / 0.1)):
            if await self.tells(expression):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{expression} never became true")

    async def settled(self) -> bytes:
        """The picture when it shows text and does not change any more: a busy browser has an empty
        page for a while."""
        before = b""
        for _ in range(round(PATIENCE_S / 0.3)):
            now = await self.picture()
            if now == before and len(now) > TEXT_BYTES:
                return now
            before = now
            await asyncio.sleep(0.3)
        raise AssertionError("the page never came to rest")


async def devtools(port: int) -> str:
    """The address of the browser's page."""
    async with aiohttp.ClientSession() as session:
        for _ in range(round(PATIENCE_S / 0.1)):
            try:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    pages = [p for p in await answer.json() if p["type"] == "page"]
                if pages:
                    return str(pages[0]["webSocketDebuggerUrl"])
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError("the browser did not start")


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
        for kind in ("mousePressed", "mouseReleased"):  # the terminal takes keys once it is clicked
            await page.ask(
                "Input.dispatchMouseEvent", type=kind, x=700, y=450, button="left", clickCount=1
            )
        first = await page.settled()
        await page.ask("Input.dispatchKeyEvent", type="keyDown", text="?", key="?")
        await page.ask("Input.dispatchKeyEvent", type="keyUp", key="?")
        for _ in range(100):
            second = await page.settled()
            if second != first:
                return first, second, page
        raise AssertionError("the key for help changed nothing")


def test_a_real_browser_shows_the_screen_and_hears_its_keys(hil: Hil, tmp_path: Path) -> None:
    hil("run", "two-faults", "--boards", "inproc", "--frames", "240", "--out", "x")
    web, debugging = free_port(), free_port()
    server = hil.start("watch", "x", "--web", "--port", web)
    browser = subprocess.Popen(
        [
            str(CHROMIUM),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--window-size=1400,900",
            f"--remote-debugging-port={debugging}",
            f"--user-data-dir={tmp_path / 'profile'}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        first, second, page = asyncio.run(visit(f"http://127.0.0.1:{web}/", debugging))
    finally:
        browser.kill()
        browser.wait()
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=30)
    assert "Traceback" not in out + err
    (tmp_path / "first.png").write_bytes(first)
    (tmp_path / "second.png").write_bytes(second)
    own = (f"http://127.0.0.1:{web}/", f"ws://127.0.0.1:{web}/", "data:")
    assert all(url.startswith(own) for url in page.asked_for), page.asked_for
    assert any("/static/fonts/" in url for url in page.asked_for), page.asked_for
    assert page.refused == []
