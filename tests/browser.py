"""Headless Chromium, steered through its DevTools."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
PATIENCE_S = 60.0
TEXT_BYTES = 30_000
"""A page full of text does not compress as a splash or an empty terminal does (9 kB)."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def chromium(profile: Path, *, size: tuple[int, int] = (1400, 900)) -> Iterator[int]:
    """A browser with an empty page, and the port of its DevTools."""
    port = free_port()
    browser = subprocess.Popen(
        [
            str(CHROMIUM),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            f"--window-size={size[0]},{size[1]}",
            f"--remote-debugging-port={port}",
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        browser.kill()
        browser.wait()


class Page:
    """One page of the browser."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.asked_for: set[str] = set()
        self.refused: list[str] = []
        self.failures: list[str] = []

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
        """What the browser asks for, what its policy keeps it from, and what goes wrong in it."""
        told = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.asked_for.add(told["request"]["url"])
        elif event.get("method") == "Network.webSocketCreated":
            self.asked_for.add(told["url"])
        elif event.get("method") == "Log.entryAdded" and told["entry"]["source"] == "security":
            self.refused.append(told["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.failures.append(str(told["exceptionDetails"]))

    async def tells(self, expression: str) -> Any:
        result = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
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

    async def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    async def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            await self.mouse(kind, x, y, button="left", clickCount=1)

    async def press(self, key: str, text: str = "") -> None:
        await self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)


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


async def visited(
    page: Path, port: int, ready: str, visit: Callable[[Page], Awaitable[None]]
) -> None:
    """Open a file in the browser and `visit` it, once the expression `ready` is true. It asks for
    nothing but itself, and nothing in it fails."""
    address = await devtools(port)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, max_msg_size=0) as connection,
    ):
        shown = Page(connection)
        for domain in ("Network", "Log", "Runtime"):
            await shown.ask(f"{domain}.enable")
        await shown.ask("Page.navigate", url=page.as_uri())
        await shown.until(ready)
        await visit(shown)
        assert shown.failures == []
        assert shown.refused == []
        assert {url for url in shown.asked_for if not url.startswith("data:")} == {page.as_uri()}
