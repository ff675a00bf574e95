"""The keys that act on the page: each calls the presenter in the thread that reads the record."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from textual.app import App

from hil.printable import printable
from hil.views.screen.dialogs import Ask
from hil.views.screen.model.time_input import frame_of
from hil.views.screen.presenter import Presenter, View

__all__ = ["PageActions"]


class PageActions(App[str]):
    """An application with a page on view."""

    @property
    @abstractmethod
    def presenter(self) -> Presenter:
        """Return the presenter of the run on view."""

    @abstractmethod
    async def act(self, ask: Callable[[], object]) -> None:
        """Call `ask` in the thread that reads the record, and show the result."""

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a message as it is, without interpreting markup in it."""
        self.notify(printable(text), severity="error" if bad else "information", markup=False)

    async def action_view(self, name: str) -> None:
        """Show the page `name`."""
        await self.act(lambda: self.presenter.go(View(name)))

    async def action_open(self) -> None:
        """Open what is under the cursor."""
        await self.act(self.presenter.enter)

    async def action_back(self) -> None:
        """Show the previous page."""
        await self.act(self.presenter.back)

    async def action_pause(self) -> None:
        """Pause, or continue."""
        await self.act(self.presenter.pause)

    async def action_hold(self) -> None:
        """Pause, or continue: `p` works where space does not."""
        await self.act(self.presenter.pause)

    async def action_filter(self) -> None:
        """Change the least severity of the events."""
        await self.act(self.presenter.events.next_level)

    async def action_mark(self, step: int) -> None:
        """Go to the next (1) or previous (-1) notable frame."""
        await self.act(lambda: self.presenter.mark(step))

    async def action_vertical(self, step: int) -> None:
        """Move the cursor down (1) or up (-1)."""
        await self.act(lambda: self.presenter.vertical(step))

    async def action_horizontal(self, step: int) -> None:
        """Move the cursor right (1) or left (-1)."""
        await self.act(lambda: self.presenter.horizontal(step))

    async def action_zoom(self, step: int) -> None:
        """Show more (1) or fewer (-1) frames in a cell."""
        await self.act(lambda: self.presenter.change_zoom(step))

    async def action_step(self, step: int) -> None:
        """Go `step` frames forward."""
        await self.act(lambda: self.presenter.step(step))

    async def action_faster(self, step: int) -> None:
        """Change the speed of playing by `step` steps."""
        await self.act(lambda: self.presenter.faster(step))

    async def action_page(self, screens: int) -> None:
        """Go `screens` screens forward."""
        await self.act(lambda: self.presenter.page_by(screens))

    async def action_first(self) -> None:
        """Go to the first frame."""
        await self.act(lambda: self.presenter.seek(0))

    async def action_newest(self) -> None:
        """Go to the newest frame, and follow it."""
        await self.act(self.presenter.newest)

    def action_go_to(self) -> None:
        """Ask for a frame or a time, and go there."""

        async def entered(text: str | None) -> None:
            frame = frame_of(text or "", self.presenter.source.time)
            if frame is not None:
                await self.act(lambda: self.presenter.seek(frame))
            elif text:
                self.say(f"`{text}` is not a valid frame (1234) or time (12.5s, 1h30m)", bad=True)

        self.push_screen(Ask("Go to a frame (1234) or a time of flight (12.5s, 1h30m)"), entered)

    def action_search(self) -> None:
        """Ask for a text, and show only events with it."""

        async def entered(text: str | None) -> None:
            if text is not None:
                await self.act(lambda: self.presenter.events.search(text))

        self.push_screen(
            Ask("Only events with this text (empty: all)", self.presenter.events.filter.text),
            entered,
        )
