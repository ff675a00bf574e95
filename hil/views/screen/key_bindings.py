"""The keys: their names, when they work, and their places in the footer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.binding import Binding

from hil.views.screen.presenter import Presenter, View

__all__ = ["BINDINGS", "footer_place", "key_text", "key_works"]

BINDINGS: Final[list[Binding]] = [
    Binding("1", "view('overview')", "Main"),
    Binding("2", "view('node')", "Node"),
    Binding("3", "view('decision')", "Frame"),
    Binding("4", "view('events')", "Events"),
    Binding("5", "view('map')", "Map"),
    Binding("enter", "open", "Open", priority=True),
    Binding("escape", "back", "Back"),
    Binding("space", "pause", "Pause"),
    Binding("p", "hold", "Pause", show=False),
    Binding("a", "acknowledge", "Ack"),
    Binding("f", "filter", "Level"),
    Binding("slash", "search", "Find", key_display="/"),
    Binding("left_square_bracket", "mark(-1)", "Previous mark", key_display="["),
    Binding("right_square_bracket", "mark(1)", "Next mark", key_display="]", show=False),
    Binding("up,k", "vertical(-1)", "Up", show=False),
    Binding("down,j", "vertical(1)", "Down", show=False),
    Binding("left,h", "horizontal(-1)", "Left", show=False),
    Binding("right,l", "horizontal(1)", "Right", show=False),
    Binding("plus,equals_sign", "zoom(1)", "More in a cell"),
    Binding("minus", "zoom(-1)", "Less in a cell", show=False),
    Binding("comma", "step(-1)", "A frame back"),
    Binding("full_stop", "step(1)", "A frame on", show=False),
    Binding("less_than_sign", "faster(-1)", "Slower"),
    Binding("greater_than_sign", "faster(1)", "Faster", show=False),
    Binding("pageup", "page(-1)", "A screen back", show=False),
    Binding("pagedown", "page(1)", "A screen on", show=False),
    Binding("home", "first", "First frame", show=False),
    Binding("end", "newest", "Newest frame"),
    Binding("g", "go_to", "Go to"),
    Binding("tab", "run(1)", "Next run", priority=True),
    Binding("shift+tab", "run(-1)", "Previous run", show=False, priority=True),
    Binding("question_mark", "help_page", "Help", key_display="?"),
    Binding("q", "leave", "Quit"),
    Binding("ctrl+c", "interrupt", "Quit", show=False, priority=True),
    Binding("ctrl+z", "suspend_process", "To the shell (fg comes back)", show=False),
]
_PAIRS: Final = {
    "left_square_bracket": "[ ]",
    "comma": ", .",
    "less_than_sign": "< >",
    "plus": "+ -",
}
"""Keys that share a place in the footer with their opposite."""
_FOOTER: Final = (
    ("leave", ""),
    ("help_page", ""),
    ("acknowledge", ""),
    ("filter", ""),
    ("search", ""),
    ("view", ""),
    ("run", "Run"),
    ("pause", ""),
    ("open", ""),
    ("back", "Back"),
    ("mark(-1)", "Mark"),
    ("newest", "Newest"),
    ("faster(-1)", "Speed"),
    ("step(-1)", "Step"),
    ("go_to", "Go to"),
    ("command_palette", "All"),
    ("zoom(1)", "Zoom"),
)
"""The actions in the footer, the most important first, each with its word if that is shorter than
in the palette."""
_SHORT: Final = {"space": "sp", "escape": "esc", "enter": "⏎"}


def key_text(binding: Binding, *, ascii_only: bool) -> str | None:
    """Return the short text of a key, for a footer of 80 columns; None for that of Textual."""
    short = "ret" if ascii_only and binding.key == "enter" else _SHORT.get(binding.key)
    return _PAIRS.get(binding.key) or binding.key_display or short


def footer_place(presenter: Presenter, action: str) -> tuple[int, str] | None:
    """Return the place of an action in the footer and its word (empty: that of the binding); None
    if the action would change nothing on the page."""
    view = presenter.view
    begun, lists = presenter.source.last >= 0, view in (View.OVERVIEW, View.NODE)
    seen = {
        "mark(-1)": begun and view in (View.OVERVIEW, View.DECISION),
        "newest": begun and (not presenter.player.following or view is View.DECISION),
        "faster(-1)": presenter.player.playing and presenter.head < presenter.source.last,
        "step(-1)": begun,
        "go_to": begun,
        "zoom(1)": begun and lists,
    }
    for rank, (name, word) in enumerate(_FOOTER):
        if action == name or action.partition("(")[0] == name:
            return (rank, word) if seen.get(name, True) else None
    return None


def key_works(
    presenter: Presenter, action: str, parameters: Sequence[object], *, runs: int
) -> bool:
    """Return whether a key has an effect now, on a screen of `runs` runs."""
    view = presenter.view
    if action == "view":
        return parameters[0] != view.value
    lists = view in (View.OVERVIEW, View.EVENTS, View.NODE)
    works = {
        "open": lists and bool(presenter.target),
        "back": view is not View.OVERVIEW
        or presenter.cell is not None
        or presenter.node is not None,
        "acknowledge": any(not alarm.acknowledged for alarm in presenter.alarms),
        "pause": view not in (View.EVENTS, View.DECISION),  # p works there as well
        "filter": view is View.EVENTS,
        "search": view is View.EVENTS,
        "run": runs > 1,
    }
    return works.get(action, True)
