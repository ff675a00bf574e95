"""The application: Textual, the timer that reads the counts, and the campaign beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType

from hil.views.campaign_screen.campaign_page import campaign_help, campaign_page
from hil.views.campaign_screen.live_campaign import LiveCampaign
from hil.views.ended_by_signals import run_app
from hil.views.screen.canvas import Lines
from hil.views.screen.dialogs import Help
from hil.views.screen.pages.style import Marks

__all__ = ["TICK_S", "CampaignApp", "show_campaign"]

TICK_S: Final = 1.0
"""The time between two pictures [s]."""


class CampaignApp(App[str]):
    """The screen of a campaign. `stop` asks it to stop. It returns "ended" when the campaign has
    ended, "left" if the user did not wait for that."""

    TITLE = "hil"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Lines { height: 1fr; }
    ModalScreen { align: center middle; }
    ModalScreen > Vertical {
        width: 84; max-width: 100%; height: auto; max-height: 96%; padding: 0 1;
        border: round $primary; background: $surface;
    }
    ModalScreen Static { width: 100%; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "stop", "Stop"),
        Binding("ctrl+c", "stop", "Stop", show=False, priority=True),
        Binding("question_mark", "help_page", "Help", key_display="?"),
        Binding("ctrl+z", "suspend_process", "To the shell (fg comes back)", show=False),
    ]

    def __init__(
        self, live: LiveCampaign, stop: Callable[[], None], *, ascii_only: bool = False
    ) -> None:
        super().__init__()
        self.marks = Marks(ascii_only=ascii_only)
        self.lines = Lines()
        self.failure: Exception | None = None
        self._live = live
        self._stop = stop
        self._stopping = False

    def compose(self) -> ComposeResult:
        """Yield the lines of the page."""
        yield self.lines

    def on_mount(self) -> None:
        """Begin to show the campaign."""
        self.theme = "textual-ansi" if self.ansi_color else "textual-dark"
        self.call_after_refresh(self.tick)
        self.set_interval(TICK_S, self.tick)

    def on_resize(self) -> None:
        """Show the page in its new size."""
        self.call_after_refresh(self.draw)

    def tick(self) -> None:
        """Show what is new; leave when the campaign has ended."""
        if self._live.ended:
            self.exit("ended")
            return
        self._live.measure()
        self.draw()

    def draw(self) -> None:
        """Show the page as it is now."""
        width, height = self.lines.size
        if width and height:
            page = campaign_page(self._live, width, height, self.marks, stopping=self._stopping)
            self.lines.show(page)

    def action_stop(self) -> None:
        """Stop the campaign; leave at once if that was asked for before."""
        if self._stopping:
            self.exit("left")
            return
        self._stopping = True
        self._stop()
        self.draw()

    def action_help_page(self) -> None:
        """Show the page of keys and marks."""
        self.push_screen(Help(campaign_help(self.marks)))

    def _handle_exception(self, error: Exception) -> None:
        """Keep the error for the caller, which prints one line; Textual would print a traceback."""
        self.failure = self.failure or error
        self.exit("failed")


def show_campaign(
    live: LiveCampaign,
    carry_out: Callable[[Callable[[], bool]], None],
    *,
    ascii_only: bool = False,
) -> None:
    """Show a campaign on the terminal while `carry_out` carries it out in another thread; it gets a
    function that returns whether to stop.

    Raises: what `carry_out` raises; the error that ended the screen; KeyboardInterrupt if the user
    did not wait for the end."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            carry_out(stop.is_set)
        except BaseException as error:  # noqa: BLE001  (raised again by the thread that waits)
            failures.append(error)
        finally:
            live.end()

    # A user who does not wait ends the process: boards end with it.
    thread = threading.Thread(target=work, name="hil campaign", daemon=True)
    thread.start()
    app = CampaignApp(live, stop.set, ascii_only=ascii_only)
    try:
        result = run_app(app)
    finally:
        stop.set()
    if result == "left":
        raise KeyboardInterrupt
    thread.join()
    if app.failure is not None:
        raise app.failure
    if failures:
        raise failures[0]
