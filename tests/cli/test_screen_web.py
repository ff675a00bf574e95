"""The screen in a browser: what a browser would be sent."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.command_line import Hil

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


HOSTS = [
    ("127.0.0.1:{port}", 200),
    ("localhost:{port}", 200),
    ("[::1]:{port}", 200),
    ("LOCALHOST:{port}", 200),
    ("127.0.0.1", 403),
    ("localhost", 403),
    ("evil.example:{port}", 403),
    ("evil.example", 403),
    ("127.0.0.1.evil.example:{port}", 403),
    ("127.0.0.1:1", 403),
    ("localhost:{port}@evil.example", 403),
    ("0.0.0.0:{port}", 403),
    ("127.1:{port}", 403),
    ("", 403),
]
ORIGINS = [
    ("http://127.0.0.1:{port}", 101),
    ("http://localhost:{port}", 101),
    ("http://[::1]:{port}", 101),
    (None, 101),
    ("null", 403),
    ("", 403),
    ("http://evil.example", 403),
    ("http://evil.example:{port}", 403),
    ("https://127.0.0.1:{port}", 403),
    ("http://127.0.0.1", 403),
    ("http://127.0.0.1:1", 403),
    ("http://127.0.0.1:{port}.evil.example", 403),
    ("http://localhost:{port}/", 403),
]
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)


async def status_of(port: int, path: str, headers: str) -> tuple[int, str]:
    """The status line's number, and everything else, of a request as it stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 40)).decode()
    size = re.search(r"(?i)content-length: (\d+)", head)
    body = await reader.readexactly(int(size[1])) if size else b""
    writer.close()
    return int(head.split()[1]), head + body.decode("utf-8", "replace")


async def listening(port: int) -> None:
    for _ in range(400):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise AssertionError("the server does not listen")


def test_pages_of_other_sites_get_nothing_and_ours_loads_from_here_only(hil: Hil) -> None:
    """Neither under a foreign name (DNS rebinding) nor from a foreign page."""
    hil("run", "nominal", "--boards", "inproc", "--frames", "20", "--out", "x")
    port = free_port()
    process = hil.start("watch", "x", "--web", "--port", port)

    async def ask() -> None:
        await listening(port)
        own = f"Host: 127.0.0.1:{port}\r\n"
        for host, expected in HOSTS:
            for path in ("/", "/static/js/textual.js", "/download/x"):
                status, text = await status_of(port, path, f"Host: {host.format(port=port)}\r\n")
                wanted = 404 if (expected, path) == (200, "/download/x") else expected
                assert status == wanted, (host, path)
                assert "Content-Security-Policy: default-src 'none'" in text
        for origin, expected in ORIGINS:
            line = "" if origin is None else f"Origin: {origin.format(port=port)}\r\n"
            status, _ = await status_of(port, "/ws?width=80&height=24", own + line + UPGRADE)
            assert status == expected, origin
            status, _ = await status_of(port, "/", own + line)
            assert status == (200 if expected == 101 else 403), origin
        foreign = f"Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n"
        assert (await status_of(port, "/ws", foreign + UPGRADE))[0] == 403
        assert (await status_of(port, "/", own + "Host: evil.example\r\n"))[0] in {400, 403}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/ws?width=x") as connection,
        ):
            await connection.send_str("{no JSON\x1b[31m")  # a client that talks nonsense
            await connection.receive(timeout=40)
        page = (await status_of(port, "/?fontsize=9%22%3E%3Cscript%3E", own))[1]
        addresses = re.findall(r"""(?:src=|href=|url\()\s*["']?([^"')> ]+)""", page)
        assert len(addresses) > 4
        assert all(a.startswith(("/", "data:")) for a in addresses), addresses
        assert re.findall(r"[a-z]+://[^/\"' ;]+", page) == [f"ws://127.0.0.1:{port}"] * 2

    try:
        asyncio.run(ask())
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert "Traceback" not in out + err


def test_a_port_that_is_taken_is_said(hil: Hil, tmp_path: Path) -> None:
    hil("run", "nominal", "--boards", "inproc", "--frames", "20", "--out", "x")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = hil("watch", "x", "--web", "--port", port)
    assert done.code == 3 and "--port" in done.err
