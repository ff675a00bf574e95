"""textual-serve's server, closed to pages of other sites, and without anything from other hosts.

A browser lets any site that the user visits send requests to this computer. Two things keep such a
site out: a foreign name in `Host` means that a name of its own was resolved to 127.0.0.1 (DNS
rebinding), a foreign `Origin` that the request is from its page. Both are answered with 403. The
page itself is ours, since textual-serve's loads a font from another host.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from html import escape
from typing import Final

from aiohttp import web
from textual_serve.server import Server

from hil.printable import printable

__all__ = ["LocalServer", "own_hosts"]

_DENIED: Final = "This screen is shown on its own computer only, under its own address.\n"
_FONT_SIZE: Final = 16
_FONT_SIZES: Final = range(6, 73)

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>{title}</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/static/css/xterm.css">
    <script src="/static/js/textual.js"></script>
    <style>
      @font-face {{
        font-family: "Roboto Mono"; font-weight: 100 700;
        src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf");
      }}
      @font-face {{
        font-family: "Roboto Mono"; font-weight: 100 700; font-style: italic;
        src: url("/static/fonts/RobotoMono-Italic-VariableFont_wght.ttf");
      }}
      body {{ background: #0c181f; color: #ffffff; font-family: "Roboto Mono", monospace; }}
      .message {{
        position: absolute; inset: 0; display: flex; flex-direction: column; gap: 16px;
        align-items: center; justify-content: center; z-index: 10; background: #0c181f;
      }}
      .closed {{ display: none; }}
      .textual-terminal {{ opacity: 0; }}
      body.-first-byte .textual-terminal {{ opacity: 1; }}
      body.-first-byte .intro {{ display: none; }}
      body.-closed .closed {{ display: flex; }}
      #start {{ display: none; }}
    </style>
  </head>
  <body>
    <div class="message intro">{title}<button id="start"></button></div>
    <div class="message closed">
      The screen has ended.
      <a href="/" style="color: inherit">Open it again</a>
    </div>
    <div class="textual-terminal" data-session-websocket-url="ws://{host}/ws"
      data-font-size="{font_size}"></div>
    <script nonce="{nonce}">
      // The terminal measures its font once, so this one is loaded before it begins.
      document.fonts.load('{font_size}px "Roboto Mono"');
    </script>
  </body>
</html>
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def own_hosts(port: int) -> frozenset[str]:
    """Return the valid values of `Host` for a server on this port of the loopback interface."""
    names = ("127.0.0.1", "localhost", "[::1]")
    bare = names if port == 80 else ()  # browsers leave out the port of http
    return frozenset([*(f"{name}:{port}" for name in names), *bare])


class _OneLine(logging.Formatter):
    """Formats the message alone, without characters that a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_info = record.exc_text = record.stack_info = None
        return printable(super().format(record))


class LocalServer(Server):
    """A server for browsers on this computer, and for its own pages only."""

    def initialize_logging(self) -> None:
        """Log each error in one line: a malformed request prints no traceback."""
        handler = logging.StreamHandler()
        handler.setFormatter(_OneLine("hil watch: %(message)s"))
        logging.basicConfig(level=logging.WARNING, handlers=[handler])

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._reject)
        app.on_response_prepare.append(self._restrict)
        return app

    @property
    def _hosts(self) -> frozenset[str]:
        return own_hosts(self.port)

    @web.middleware
    async def _reject(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 403 to a request for a foreign host name, or from a page of another site."""
        hosts = request.headers.getall("Host", [])
        origins = request.headers.getall("Origin", [])
        own = {f"http://{host}" for host in self._hosts}
        named = len(hosts) == 1 and hosts[0].lower() in self._hosts
        if not named or any(origin.lower() not in own for origin in origins):
            return web.Response(status=403, text=_DENIED)
        return await handler(request)

    async def _restrict(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the browser load from here only, and show the page in no frame."""
        nonce = request.get("nonce")
        script = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
        host = request.headers.get("Host", "").lower()
        socket = f" ws://{host}" if host in self._hosts else ""
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src {script}; style-src 'self' 'unsafe-inline'; "
            f"font-src 'self'; img-src 'self' data:; connect-src 'self'{socket}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"

    async def handle_index(self, request: web.Request) -> web.Response:
        """Return the page with the terminal."""
        nonce = request["nonce"] = secrets.token_urlsafe(16)
        asked = request.query.get("fontsize", "")
        size = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else _FONT_SIZE
        text = _PAGE.format(
            title=escape(self.title),
            host=escape(request.headers["Host"]),
            nonce=nonce,
            font_size=size if size in _FONT_SIZES else _FONT_SIZE,
        )
        return web.Response(text=text, content_type="text/html")
