"""A widget that shows lines of text, and draws only those that have changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from hil.views.style import plain_segments

__all__ = ["Lines"]


class Lines(Widget):
    """Lines of text; what does not fit is cropped. `drawn` counts the lines that were drawn."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Text] = []
        self.drawn = 0

    def show(self, lines: Sequence[Text]) -> None:
        """Show these lines from now on."""
        before, self._shown = self._shown, list(lines)
        width = self.size.width
        changed = [
            Region(0, y, width, 1)
            for y in range(max(len(before), len(lines)))
            if y >= len(before) or y >= len(lines) or before[y] != lines[y]
        ]
        if changed:
            self.drawn += len(changed)
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """Return one line, as wide as the widget."""
        style = self.rich_style
        if y >= len(self._shown):
            return Strip.blank(self.size.width, style)
        segments = plain_segments(self._shown[y].render(self.app.console, end=""))
        return Strip(segments).apply_style(style).adjust_cell_length(self.size.width, style)

    def on_resize(self, _event: Resize) -> None:
        """Draw all lines again."""
        self.refresh()
