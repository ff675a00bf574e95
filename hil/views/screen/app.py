"""The application: Textual, the timer that reads the record, and the end of the screen.

Reading and rendering run in a thread, one at a time, so that a slow disk does not make keys slow;
the widgets only draw changed lines. Nothing here affects the run: the screen may be killed at any
time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult, ScreenStackError, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Event
from textual.screen import Screen

from hil.record.live import State
from hil.views.screen.canvas import Lines
from hil.views.screen.command_dialog import CommandDialog
from hil.views.screen.dialogs import Confirm, Help, Palette
from hil.views.screen.footer import Keys
from hil.views.screen.key_bindings import BINDINGS, footer_place, key_text, key_works
from hil.views.screen.leaving import Leaving
from hil.views.screen.model.playback import Player
from hil.views.screen.page_actions import PageActions
from hil.views.screen.pages.help import help_lines
from hil.views.screen.pages.status import runs_line
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter
from hil.views.screen.run_control import Control, KeyCommand

__all__ = ["ScreenApp"]

_TICK_S: Final = 0.1
_AGES_S: Final = 1.0
"""The time between two drawings of values that only get older [s]."""


class ScreenApp(PageActions):
    """The screen of `runs`. `player` is the playback at the beginning; `control` sends commands to
    the runs, None for a read-only screen. `end_run` is called when the user ends the run; None if
    this process did not start it. `over`: whether the process of the run has ended;
    `leave_after_s` [s] later the screen leaves by itself."""

    TITLE = "hil"
    ENABLE_COMMAND_PALETTE = True
    CSS = """
    Screen { layers: base; }
    Lines { height: 1fr; }
    ModalScreen { align: center middle; }
    ModalScreen > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 96%; padding: 0 1;
        border: round $primary; background: $surface;
    }
    ModalScreen Static { width: 100%; height: auto; }
    ModalScreen Input { border: none; height: 1; margin: 1 0 0 0; }
    Palette OptionList { height: auto; max-height: 14; margin: 1 0; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(BINDINGS)

    def __init__(
        self,
        runs: Sequence[Path],
        *,
        player: Player | None = None,
        ascii_only: bool = False,
        control: Control | None = None,
        end_run: Callable[[], None] | None = None,
        over: Callable[[], bool] = lambda: False,
        leave_after_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.marks = Marks(ascii_only=ascii_only)
        self._clock = clock
        begin = player or Player(since_s=clock())
        self.presenters = [Presenter(run, self.marks, begin, clock) for run in runs]
        self.current = 0
        self.lines = Lines()
        self._commands = None if control is None else CommandDialog(self, control)
        self._end_run = end_run
        self._over = over
        self._leaves = Leaving(leave_after_s)
        self.failure: Exception | None = None
        self._asked: list[Callable[[], object]] = []
        self._looking = asyncio.Lock()
        self._reading: asyncio.Future[list[Text] | None] | None = None
        self._ended = False
        self._drawn_at = -_AGES_S
        self._others_at = -_AGES_S
        self._footer_is: tuple[object, ...] = ()

    @property
    def presenter(self) -> Presenter:
        """Return the presenter of the run on view."""
        return self.presenters[self.current]

    def compose(self) -> ComposeResult:
        """Yield the lines of the page, and the footer."""
        yield self.lines
        yield Keys(lambda action: footer_place(self.presenter, action))

    async def on_mount(self) -> None:
        """Begin to read the record, now and with every tick."""
        self.theme = "textual-ansi" if self.ansi_color else "textual-dark"
        self.app_resume_signal.subscribe(self, self._returned)
        self.call_after_refresh(self.look)
        self.set_interval(_TICK_S, self.tick)

    async def on_unmount(self) -> None:
        """Wait until the thread does not read, and close the records."""
        self._ended = True
        if self._reading is not None:  # a cancelled look still reads in its thread
            await asyncio.wait([self._reading])
        for presenter in self.presenters:
            presenter.source.close()

    def _returned(self, _app: App[Any]) -> None:
        """Draw everything again: the shell wrote over the screen."""
        self.screen.refresh(layout=True)
        self.lines.refresh()

    async def on_resize(self) -> None:
        """Draw the page in its new size."""
        self._drawn_at = -_AGES_S
        await self.look()

    # --- looking ------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Read what is new, ten times a second; do nothing while the previous read is not done."""
        if self._looking.locked():
            return
        over = self._over()  # before the look: a short run may end between them
        looked = await self.look()
        empty = looked and self.presenter.source.epoch == 0  # it ended with nothing to show
        if over and (empty or self._leaves.now(self._clock())):
            self.exit("over")

    async def look(self) -> bool:
        """Read what is new, do what was requested, and draw; return whether there was a page."""
        async with self._looking:
            width, height = self.lines.size
            if not width or not height or self._ended:
                return False
            if self._reading is not None and not self._reading.done():
                await asyncio.wait([self._reading])  # that of a cancelled look
            asked, self._asked = self._asked, []
            self._reading = asyncio.ensure_future(
                asyncio.to_thread(self._read, width, height, asked)
            )
            page = await asyncio.shield(self._reading)
        if page is not None and self.is_running:
            self.lines.show(page)
            self._renew_footer()
        return True

    def _read(
        self, width: int, height: int, asked: Sequence[Callable[[], object]]
    ) -> list[Text] | None:
        """Return the page, in the thread; None if nothing can have changed."""
        for ask in asked:
            ask()
        now = self._clock()
        presenter = self.presenter
        due = now - self._drawn_at >= _AGES_S
        if not (asked or due or presenter.moving) and not presenter.source.poll():
            return None
        self._drawn_at = now
        runs = len(self.presenters) > 1
        presenter.refresh(width, height - runs)
        if runs and now - self._others_at >= _AGES_S:
            self._others_at = now
            for other in self.presenters:
                if other is not presenter:
                    other.refresh(width, height - 1)
        page = presenter.page()
        if runs:
            names = [(d.scene.run.name, *d.summary()) for d in self.presenters]
            page.insert(1, runs_line(names, self.current, width, self.marks))
        return page

    def _renew_footer(self) -> None:
        """Show in the footer the keys that work now; it is built again only when they have
        changed."""
        presenter = self.presenter
        waiting = any(not alarm.acknowledged for alarm in presenter.alarms)
        now = (
            presenter.view,
            presenter.target,
            waiting,
            presenter.moving,
            presenter.player.following,
            presenter.player.playing,
            presenter.cell is None,
            presenter.node is None,
            presenter.source.last < 0,
            presenter.source.state,
            len(self.screen_stack),
            self.size.width,
        )
        if now != self._footer_is:
            self._footer_is = now
            self.refresh_bindings()

    def get_key_display(self, binding: Binding) -> str:
        """Return the text of a key: short, and in ASCII if necessary."""
        text = key_text(binding, ascii_only=self.marks.ascii_only)
        return text or super().get_key_display(binding)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a key has an effect now."""
        if len(self.screen_stack) > 1:
            return action == "interrupt"
        return key_works(self.presenter, action, parameters, runs=len(self.presenters))

    # --- keys ---------------------------------------------------------------------------------

    async def act(self, ask: Callable[[], object]) -> None:
        """Call `ask` in the thread that reads the record, and show the result."""
        self._asked.append(ask)
        await self.look()

    async def action_acknowledge(self) -> None:
        """Acknowledge all alarms, also in the record if the run takes commands."""
        waiting = [alarm for alarm in self.presenter.alarms if not alarm.acknowledged]
        await self.act(self.presenter.acknowledge)
        if self._commands is not None:
            self._commands.acknowledge(waiting)

    async def action_run(self, step: int) -> None:
        """Show the next (1) or the previous (-1) run."""
        self.current = (self.current + step) % len(self.presenters)
        self._others_at = -_AGES_S
        await self.act(lambda: None)

    def action_help_page(self) -> None:
        """Show the page of keys and marks."""
        self.push_screen(Help(help_lines(self.marks)))

    async def on_event(self, event: Event) -> None:
        """Let Textual handle an event; drop keys that arrive while the last screen is removed."""
        try:
            await super().on_event(event)
        except ScreenStackError:
            if self.screen_stack:
                raise

    def _handle_exception(self, error: Exception) -> None:
        """Keep the error for the caller, which prints one line; Textual would print a traceback."""
        self.failure = self.failure or error
        self.exit("failed")

    # --- leaving ------------------------------------------------------------------------------

    @property
    def _runs_on(self) -> bool:
        return self._end_run is not None and self.presenters[0].source.state in (
            State.RUNNING,
            State.WAITING,
        )

    def action_leave(self) -> None:
        """Quit; if this command started the run, confirm first that it continues, or ends."""
        if not self._runs_on:
            self.exit("left")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.exit("detached")

        if self._leaves.by_itself:
            question = Confirm("Leave the screen? The run ends.", "Its report is written anyway.")
        else:
            again = f"Attach again with: hil watch {self.presenters[0].source.run}"
            question = Confirm("Leave the screen? The run continues.", again)
        self.push_screen(question, answered)

    def action_interrupt(self) -> None:
        """End the run on Ctrl-C, if this command started it and it is active; else quit."""
        if isinstance(self.screen, Confirm) or not self._runs_on:
            if self._runs_on and self._end_run is not None:  # a second Ctrl-C means it
                self._end_run()
            self.exit("interrupted" if self._runs_on else "left")
            return

        def answered(yes: bool | None) -> None:
            if yes and self._end_run is not None:
                self._end_run()
                self.say("ending the run after this frame")

        question = "End the run? It will be recorded as aborted."
        self.push_screen(Confirm(question, "Continue it later with: hil run --resume"), answered)

    # --- commands -----------------------------------------------------------------------------

    def action_command_palette(self) -> None:
        """Show the list of commands, over the page only: it acts on what the page shows."""
        if len(self.screen_stack) > 1:
            return

        def chosen(command: SystemCommand | None) -> None:
            if command is not None:
                self.call_later(command.callback)

        self.push_screen(Palette(self.get_system_commands(self.screen)), chosen)

    def get_system_commands(self, _screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield every key by its name, and the commands that the run takes."""
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and self._offered(binding):
                action = binding.action
                keys = binding.key_display or binding.key
                yield SystemCommand(
                    binding.description,
                    f"key {keys}",
                    lambda action=action: self.run_action(action),
                )
        if self._commands is not None:
            for command in self._commands.commands():
                yield SystemCommand(
                    f"run: {command.name.replace('_', ' ')}",
                    command.help,
                    lambda command=command: self.send_command(command),
                )

    def _offered(self, binding: Binding) -> bool:
        name, _, rest = binding.action.partition("(")
        parameters = (rest.rstrip(")").strip("'"),) if rest else ()
        return name != "interrupt" and bool(self.check_action(name, parameters))

    def send_command(self, command: KeyCommand) -> None:
        """Send the run a command, after asking for missing arguments and for confirmation."""
        if self._commands is not None:
            self._commands.open(command)
