"""The screen in a browser: what a browser would be sent."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Hil

pytest.importorskip("textual_serve", reason="the extra `web` is not installed")
aiohttp = pytest.importorskip("aiohttp")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def seen(port: int, text: str) -> str:
    """Everything that a visitor is sent, until `text` is among it."""
    url = f"http://127.0.0.1:{port}"
    found = ""
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            try:
                async with session.get(url) as page:
                    assert page.status == 200
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
        async with session.ws_connect(f"{url}/ws?width=90&height=28") as connection:
            while text not in found:
                message = await connection.receive(timeout=40)
                assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), found
                data = message.data
                found += data if isinstance(data, str) else data.decode("utf-8", "replace")
    return found


def test_a_browser_is_shown_the_same_screen(hil: Hil) -> None:
    hil("run", "two-faults", "--boards", "inproc", "--frames", "240", "--out", "x")
    port = free_port()
    process = hil.start("watch", "x", "--web", "--port", port)
    try:
        assert "two-faults" in asyncio.run(seen(port, "VERDICTS"))
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert "Traceback" not in out + err
    assert f"http://127.0.0.1:{port}/" in err


def test_a_port_that_is_taken_is_said(hil: Hil, tmp_path: Path) -> None:
    hil("run", "nominal", "--boards", "inproc", "--frames", "20", "--out", "x")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = hil("watch", "x", "--web", "--port", port)
    assert done.code == 3 and "--port" in done.err
