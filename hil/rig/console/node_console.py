"""The console of one node: everything that its board prints, from all sources, as lines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from hil.clock import HOST, Clock
from hil.rig.console.lines import ConsoleLine, ConsoleSource, LineAssembler
from hil.rig.console.signs import ConsoleSign, ConsoleSigns
from hil.scenario.console_patterns import ConsolePattern

__all__ = ["ConsoleSink", "NodeConsole"]

_IDLE_US: Final = 1_000_000
"""A line that does not continue for this long, such as a prompt, is passed on without its end."""


ConsoleSink: TypeAlias = Callable[[ConsoleLine], None]
"""Takes the lines of one console. It must not wait."""


class NodeConsole:
    """Collects what the board of one node prints. `clock` is that of the rig; `sink` gets all
    lines.

    Thread-safe: the link is read by the thread that runs the frames and by searches for the board,
    and a console port, or the stderr of processes, by a thread of its own."""

    def __init__(self, clock: Clock = HOST) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sink: ConsoleSink | None = None
        self._open = {source: LineAssembler(source) for source in ConsoleSource}
        self._signs = ConsoleSigns()
        self._notes: list[str] = []

    def attach(self, sink: ConsoleSink | None) -> None:
        """Pass all lines to `sink` from now on; None: to nobody."""
        with self._lock:
            self._sink = sink

    def on_link(self, data: bytes, damaged: bool) -> None:
        """Take bytes of the node's link that are in no frame. `damaged`: they were one."""
        if damaged:
            with self._lock:
                self._deliver(ConsoleLine(self._clock.now_us(), ConsoleSource.DAMAGED, data))
        else:
            self._take(ConsoleSource.LINK, data)

    def on_port(self, data: bytes, missing: int = 0) -> None:
        """Take bytes of the board's console port; before them, `missing` ones are missing."""
        if missing:
            self._lose(ConsoleSource.CONSOLE, missing)
        self._take(ConsoleSource.CONSOLE, data)

    def _lose(self, source: ConsoleSource, missing: int) -> None:
        with self._lock:
            now_us = self._clock.now_us()
            for line in self._open[source].flush(now_us):
                self._deliver(line)
            self._deliver(ConsoleLine(now_us, source, b"", missing=missing))

    def on_program(self, data: bytes) -> None:
        """Take what a program of the board wrote on standard error before it ended."""
        self._take(ConsoleSource.PROGRAM, data)
        with self._lock:
            for line in self._open[ConsoleSource.PROGRAM].flush(self._clock.now_us()):
                self._deliver(line)

    def on_stderr(self, data: bytes) -> None:
        """Take bytes that the processes of the board wrote to stderr."""
        self._take(ConsoleSource.STDERR, data)

    def _take(self, source: ConsoleSource, data: bytes) -> None:
        with self._lock:
            for line in self._open[source].push(data, self._clock.now_us()):
                self._deliver(line)

    def flush(self, *, at_once: bool = False) -> None:
        """Pass on lines that do not continue; with `at_once`, all that are not complete."""
        with self._lock:
            now_us = self._clock.now_us()
            for source in self._open.values():
                for line in source.flush(now_us - (0 if at_once else _IDLE_US)):
                    self._deliver(line)

    def _deliver(self, line: ConsoleLine) -> None:
        self._signs.look_at(line)
        if self._sink is not None:
            self._sink(line)

    @property
    def has_news(self) -> bool:
        """Return whether there are signs or notes that nobody has taken."""
        return self._signs.has_events or bool(self._notes)

    # --- what it says of the board ------------------------------------------------------------

    def look_for(self, patterns: Sequence[ConsolePattern]) -> None:
        """Look for these patterns, too, besides those that all runs look for."""
        with self._lock:
            self._signs.look_for(patterns)

    def take_signs(self) -> list[ConsoleSign]:
        """Return the lines since the last call that say what happens to the board."""
        with self._lock:
            return self._signs.take_events()

    def cause(self, since_us: int) -> str | None:
        """Return why the board fell silent or started again, if a line that arrived at `since_us`
        [us] or later says it; None if none does."""
        with self._lock:
            begun = [line for source in self._open.values() if (line := source.begun) is not None]
            sign = self._signs.gravest(since_us, begun)
        return None if sign is None else sign.reason

    def forget_causes(self) -> None:
        """Let the lines up to now explain nothing any more: the board works again."""
        with self._lock:
            self._signs.forget()

    # --- notes for the record -----------------------------------------------------------------

    def note(self, text: str) -> None:
        """Add a note for the record, such as that text was lost."""
        with self._lock:
            self._notes.append(text)

    def take_notes(self) -> list[str]:
        """Return the notes since the last call."""
        with self._lock:
            notes, self._notes = self._notes, []
        return notes
