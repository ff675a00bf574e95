"""Glyphs, colours and consoles, the same in all views.

A state is always shown in three ways: by its glyph, its word and its colour, so that it survives
NO_COLOR, a log file, and eyes that do not distinguish red from green. Output that is not a terminal
never gets control codes; a stream that cannot encode the glyphs gets ASCII ones.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from hil.printable import printable
from hil.redundancy.recovery import NodeState

__all__ = [
    "Glyphs",
    "console_for",
    "duration",
    "fit_width",
    "flight_time",
    "glyphs_for",
    "is_live",
    "plain_segments",
    "plural",
]

GOOD: Final = "green"
BAD: Final = "bold red"
WARN: Final = "yellow"
DIM: Final = "dim"
HEAD: Final = "bold"

_WIDTH_MIN: Final = 80
_WIDTH_MAX: Final = 100


class Glyphs:
    """The marks of one stream, as its encoding allows."""

    def __init__(self, *, ascii_only: bool) -> None:
        self.ok, self.bad, self.warn = ("+", "x", "!") if ascii_only else ("✔", "✘", "▲")
        self.none, self.dot, self.arrow = ("-", "-", "->") if ascii_only else ("·", "·", "→")
        self.full, self.half, self.empty = ("#", "~", "o") if ascii_only else ("●", "◐", "○")
        self.bar, self.rest = ("=", "-") if ascii_only else ("━", "─")
        self.cut_off = "..." if ascii_only else "…"
        self.blocks = "_.-=+*%#" if ascii_only else "▁▂▃▄▅▆▇█"


def glyphs_for(stream: TextIO) -> Glyphs:
    """Return the glyphs that `stream` can show."""
    try:
        "✔✘▲·→●◐○━─▁█".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return Glyphs(ascii_only=True)
    return Glyphs(ascii_only=stream.isatty() and _is_plain_terminal())


def _is_plain_terminal() -> bool:
    """Return whether the locale is ASCII (Python still writes UTF-8), or the terminal's font has
    only letters."""
    locale = next(
        (os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), ""
    )
    term = os.environ.get("TERM", "")
    return locale in ("C", "POSIX") or term == "linux" or term.startswith(("vt1", "vt2"))


def is_live(stream: TextIO) -> bool:
    """Return whether a display may move on `stream`: it is a terminal that can, and not a CI
    job."""
    if os.environ.get("CI", "") not in ("", "0", "false"):
        return False
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class _SafeConsole(Console):
    """A console that shows control characters in texts as escapes, and sends its own codes."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        return plain_segments(super().render(renderable, options))


def plain_segments(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Yield segments with control characters in their texts escaped; a console's codes stay."""
    for segment in segments:
        yield segment if segment.control else Segment(printable(segment.text), segment.style)


def console_for(stream: TextIO, file: TextIO | None = None) -> Console:
    """Return a console for text on `stream`: coloured only on a terminal; 80 to 100 columns wide.

    With `file` it writes there what is meant for `stream`.
    """
    terminal = stream.isatty()
    console = _SafeConsole(
        file=file or stream,
        force_terminal=terminal,
        no_color=None if terminal else True,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )
    console.width = max(_WIDTH_MIN, min(console.width, _WIDTH_MAX)) if terminal else _WIDTH_MIN
    return console


def fit_width(console: Console, stream: TextIO) -> None:
    """Give `console` the width that the terminal `stream` has now, 100 columns at most.

    For displays that are drawn in place: a line that the terminal wraps is not erased completely.
    A stream of unknown width changes nothing.
    """
    with contextlib.suppress(OSError, ValueError):
        columns = os.get_terminal_size(stream.fileno()).columns
        if columns:
            console.width = min(columns, _WIDTH_MAX)


def plural(number: int, what: str) -> str:
    """Return `1 node`, `2 nodes`, `12,000 frames`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def duration(us: float) -> str:
    """Return microseconds in a unit that people read: 940 us, 3.2 ms, 14.5 s, 2 h 05 min."""
    if us < 1000:
        return f"{us:.0f} us"
    if us < 1e6:
        return f"{us / 1e3:.3g} ms" if us < 999.5e3 else "1 s"
    seconds = us / 1e6
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def flight_time(us: int) -> str:
    """Return a moment of simulated time: 12.340 s, or h:mm:ss.mmm from a minute on."""
    seconds, rest = divmod(us, 1_000_000)
    if seconds < 60:
        return f"{seconds}.{rest // 1000:03} s"
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest // 1000:03}"


def state_text(name: str, state: str, glyphs: Glyphs) -> Text:
    """Return a node as glyph and name: full: voting, half: returning, empty: isolated."""
    if state == NodeState.VOTING:
        return Text(f"{glyphs.full} {name}", style=GOOD)
    if state == NodeState.ISOLATED:
        return Text(f"{glyphs.empty} {name} {state}", style=BAD)
    return Text(f"{glyphs.half} {name} {state}", style=WARN)
