"""The screen in a browser, by textual-serve: on this computer only, and read-only.

Every process that can reach the port sees the screen. So it listens on the loopback interface only,
and its screens send no commands: other users of this computer are not authenticated."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hil.errors import SetupError
from hil.extras import install_command

__all__ = ["HOST", "is_served", "serve"]

HOST: Final = "127.0.0.1"


def _nothing(_: object) -> None:
    pass


def is_served() -> bool:
    """Return whether this process draws for a browser."""
    return "web_driver" in os.environ.get("TEXTUAL_DRIVER", "")


def serve(runs: Sequence[Path], port: int, say: Callable[[str], None], *more: str) -> None:
    """Serve a screen of `runs` until Ctrl-C; each visitor gets a process of its own.

    Raises: SetupError if textual-serve is missing or the port is in use."""
    try:
        from hil.views.screen.web_server import LocalServer  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise SetupError(
            "the screen in a browser needs textual-serve", remedy=install_command("web")
        ) from error
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SetupError(
                f"cannot listen on port {port}: {error.strerror}",
                remedy="choose another: --port 8001",
            ) from error
    words = [sys.executable, "-m", "hil", "watch", *more, *(str(run.resolve()) for run in runs)]
    say(f"the screen is at http://{HOST}:{port}/ ; Ctrl-C ends it, not the run")
    try:
        LocalServer(shlex.join(words), host=HOST, port=port, title="hil").serve()
    finally:
        # Screens that are still open report at their deletion that the event loop has ended: a
        # traceback that would only confuse.
        sys.unraisablehook = _nothing
