"""A terminal on the console port of a board, for a person: what arrives is shown, and what is typed
is sent if that is wanted."""

from __future__ import annotations

import codecs
import contextlib
import os
import termios
from collections.abc import Callable, Iterator
from typing import Final

from hil.clock import HOST
from hil.rig.console.escape import shown
from hil.rig.transport import Transport

__all__ = ["END_KEY", "ConsoleTerminal", "StreamText"]

END_KEY: Final = b"\x1d"
"""Ctrl-], as in telnet and miniterm."""

_SLICE_US: Final = 500_000
_IFLAG, _LFLAG, _CC = 0, 3, 6


class StreamText:
    r"""Makes text for a terminal of bytes that arrive in pieces: lines end with `\n`, and what a
    terminal would obey is escaped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._held = ""
        self._in_line = False

    def push(self, data: bytes) -> str:
        """Return the text of the next bytes; a carriage return waits for what follows it."""
        text = self._held + self._decoder.decode(data)
        self._held = "\r" if text.endswith("\r") else ""
        text = shown(text.removesuffix(self._held).replace("\r\n", "\n"))
        self._in_line = not text.endswith("\n") if text else self._in_line
        return text

    @property
    def in_line(self) -> bool:
        """Return whether the last line has not ended."""
        return self._in_line


class ConsoleTerminal:
    """Connects `transport` with a person, who types at the descriptor `keys`, or nowhere (None).
    `show` prints text. With `writes`, what is typed is sent to the board; otherwise `on_typed` is
    called once, because nothing is sent."""

    def __init__(
        self,
        transport: Transport,
        keys: int | None,
        show: Callable[[str], None],
        *,
        writes: bool,
        on_typed: Callable[[], None] = lambda: None,
    ) -> None:
        self._transport = transport
        self._keys = keys
        self._show = show
        self._writes = writes
        self._on_typed = on_typed

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Show and send until Ctrl-] is typed; `on_ready` is called when keys are taken. Raises:
        TransportLost."""
        text = StreamText()
        try:
            self._run(text, on_ready)
        finally:
            if text.in_line:  # what comes then is not the end of the board's line
                self._show("\n")

    def _run(self, text: StreamText, on_ready: Callable[[], None]) -> None:
        with unbuffered(self._keys, signals=not self._writes):
            on_ready()
            while True:
                fds = [fd for fd in (self._transport.fd, self._keys) if fd is not None]
                ready = HOST.readable(fds, _SLICE_US)
                if received := self._transport.read():
                    self._show(text.push(received))
                if self._keys is not None and self._keys in ready and not self._type():
                    return

    def _type(self) -> bool:
        """Take what was typed; return whether to go on."""
        assert self._keys is not None
        typed = os.read(self._keys, 1024)
        before, end, _ = typed.partition(END_KEY)
        if before and self._writes:
            self._transport.write(before)
        elif before:
            self._on_typed()
            self._on_typed = lambda: None
        if not typed:  # its end: what arrives is shown all the same
            self._keys = None
        return not end


@contextlib.contextmanager
def unbuffered(keys: int | None, *, signals: bool) -> Iterator[None]:
    """Have the terminal `keys` pass on each key at once, unseen, until the block ends; without
    `signals` Ctrl-C and the like are keys, too. Nothing is done to what is no terminal."""
    if keys is None or not os.isatty(keys):
        yield
        return
    before = termios.tcgetattr(keys)
    raw = termios.tcgetattr(keys)
    raw[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
    if not signals:
        raw[_LFLAG] &= ~(termios.ISIG | termios.IEXTEN)
        raw[_IFLAG] &= ~(termios.ICRNL | termios.INLCR | termios.IXON)
    raw[_CC][termios.VMIN], raw[_CC][termios.VTIME] = 1, 0
    termios.tcsetattr(keys, termios.TCSADRAIN, raw)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
