"""The progress of a run, for the user who waits for it.

On a terminal it updates a few lines in place; anywhere else (CI, a log file) it prints a plain line
every few seconds, at growing intervals, without control codes. It draws in a thread of its own from
the newest snapshot, so that a blocked terminal never blocks the run.

`rich.live`, not `rich.progress`: the latter's bar draws done and rest alike in ASCII and omits the
rest without colours, its columns cut the numbers off instead of the title, and a picture takes
three times as long; nodes, counts and the lines for a log file would remain.

It knows nothing of the engine: a `Snapshot` has all that it shows.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hil.printable import printable
from hil.views.style import (
    BAD,
    DIM,
    GOOD,
    console_for,
    duration,
    fit_width,
    glyphs_for,
    is_live,
    state_text,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Progress", "Snapshot"]

_LIVE_S: Final = 0.125
_PLAIN_FIRST_S: Final = 3.0
_PLAIN_LAST_S: Final = 60.0
_PLAIN_GROWTH: Final = 1.3
_JOIN_TIMEOUT_S: Final = 1.0
_RATE_WINDOW_S: Final = 3.0
_BAR_MIN: Final = 8
_TITLE_MIN: Final = 8


class Snapshot(Protocol):
    """The values that are shown; `RunProgress` of the engine has them."""

    @property
    def phase(self) -> str:
        """Return the phase of the run, in words."""

    @property
    def running(self) -> bool:
        """Return whether frames are computed."""

    @property
    def frame(self) -> int:
        """Return the number of frames that are done."""

    @property
    def frames(self) -> int:
        """Return the planned number of frames."""

    @property
    def upsets(self) -> int:
        """Return the number of upsets that were injected."""

    @property
    def recoveries(self) -> int:
        """Return the number of repairs that succeeded."""

    @property
    def wrong(self) -> int:
        """Return the number of wrong outputs that left the system."""

    @property
    def states(self) -> tuple[tuple[str, str], ...]:
        """Return the name and the recovery state of each node."""


class Progress:
    """Shows the newest snapshot on `stream` while it is entered as a context.

    `say` prints a line above it. Both may be called from any thread; neither ever waits, nor fails
    because the stream is closed.
    """

    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream
        self._glyphs = glyphs_for(stream)
        self._live = is_live(stream)
        self._newest: Snapshot | None = None
        self._pending_lines: deque[str] = deque()
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._rates = _Rate()
        self._rate = 0.0
        target = self._draw_live if self._live else self._draw_lines
        self._thread = threading.Thread(target=target, name="hil-progress", daemon=True)

    def update(self, snapshot: Snapshot) -> None:
        """Show this snapshot from now on. Thread-safe."""
        self._newest = snapshot

    def say(self, text: str) -> None:
        """Print a line above the display. Thread-safe."""
        self._pending_lines.append(text)
        self._wake.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join(_JOIN_TIMEOUT_S)  # a terminal that takes nothing must not keep the run

    def _pause(self, seconds: float) -> bool:
        """Wait, and measure the rate; return whether to continue."""
        self._wake.wait(seconds)
        self._wake.clear()
        if self._newest is not None and self._newest.running:
            self._rate = self._rates.add(self._newest.frame)
        return not self._ended.is_set()

    # --- a terminal -------------------------------------------------------------------------------

    def _draw_live(self) -> None:
        console = console_for(self._stream)
        with (
            contextlib.suppress(OSError),
            Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            ) as live,
        ):
            going = True
            while going:
                going = self._pause(_LIVE_S)
                fit_width(console, self._stream)
                while self._pending_lines:
                    console.print(self._pending_lines.popleft())
                if going and self._newest is not None:
                    live.update(self._picture(self._newest, console), refresh=True)

    def _picture(self, now: Snapshot, console: Console) -> Group:
        width = console.width
        if not now.running:
            return Group(Text(f" {self._title}: {now.phase} ...", style=DIM))
        rate = self._rate
        share = now.frame / now.frames if now.frames else 1.0
        remaining = f"{duration((now.frames - now.frame) / rate * 1e6)} left" if rate else ""
        tail = f" {share:4.0%}  {now.frame:,}/{now.frames:,}  {rate:,.0f} frames/s  {remaining}"
        if _TITLE_MIN + _BAR_MIN + len(tail) + 3 > width:
            tail = f" {share:4.0%}  {remaining}"
        title = self._title[: max(_TITLE_MIN, width - len(tail) - _BAR_MIN - 3)]
        room = max(_BAR_MIN, width - len(title) - len(tail) - 3)
        done = round(share * room)
        bar = Text.assemble(
            (f" {title} ", "bold"),
            (self._glyphs.bar * done, GOOD),
            (self._glyphs.rest * (room - done), DIM),
            tail,
            no_wrap=True,
            overflow="crop",
        )
        return Group(bar, *self._state_lines(now, width))

    def _state_lines(self, now: Snapshot, width: int) -> list[Text]:
        """Return nodes and counts, on one line if they fit."""
        parts = [state_text(name, state, self._glyphs) for name, state in now.states]
        nodes = Text.assemble(" ", Text("  ").join(parts))
        counts = Text(f" upsets {now.upsets:,}   recoveries {now.recoveries:,}")
        counts.append(f"   wrong {now.wrong:,}", style=BAD if now.wrong else "")
        together = Text.assemble(nodes, "   ", counts)
        lines = [together] if together.cell_len < width else [nodes, counts]
        for line in lines:
            line.no_wrap, line.overflow = True, "crop"
        return lines

    # --- lines ------------------------------------------------------------------------------------

    def _draw_lines(self) -> None:
        every_s = _PLAIN_FIRST_S
        due_s = time.monotonic() + every_s
        going = True
        with contextlib.suppress(OSError, ValueError):
            while going:
                going = self._pause(min(0.5, max(0.0, due_s - time.monotonic())))
                while self._pending_lines:
                    print(printable(self._pending_lines.popleft()), file=self._stream, flush=True)
                now = self._newest
                if going and now is not None and time.monotonic() >= due_s:
                    print(printable(self._line(now)), file=self._stream, flush=True)
                    every_s = min(_PLAIN_LAST_S, every_s * _PLAIN_GROWTH)
                    due_s = time.monotonic() + every_s

    def _line(self, now: Snapshot) -> str:
        if not now.running:
            return f"{self._title}: {now.phase}"
        share = now.frame / now.frames if now.frames else 1.0
        by_state: dict[str, list[str]] = {}
        for name, state in now.states:
            by_state.setdefault(state, []).append(name)
        nodes = ", ".join(f"{' '.join(names)} {state}" for state, names in by_state.items())
        return (
            f"{self._title}: frame {now.frame} of {now.frames} ({share:.0%}), "
            f"{self._rate:.0f} frames/s; {nodes}; "
            f"upsets {now.upsets}, recoveries {now.recoveries}, wrong {now.wrong}"
        )


class _Rate:
    """The rate of frames per second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, frame: int) -> float:
        """Return the rate now that `frame` is reached; 0 while it is not known."""
        now_s = time.monotonic()
        self._seen.append((now_s, frame))
        while len(self._seen) > 2 and now_s - self._seen[1][0] > _RATE_WINDOW_S:
            self._seen.popleft()
        since_s, first = self._seen[0]
        return (frame - first) / (now_s - since_s) if now_s > since_s else 0.0
