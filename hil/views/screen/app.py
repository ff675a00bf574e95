"""The screen itself: Textual, keys, and the clock that makes it look at the record.

Reading and painting go on in a thread, one at a time, so that a slow disk does not make keys slow;
the widgets only draw what has changed. Nothing here reaches the run: it may be killed at any time.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from rich.text import Text
from textual.app import App, ComposeResult, ScreenStackError, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Event
from textual.screen import Screen

from hil.printable import printable
from hil.record.live import State
from hil.views.screen.canvas import Lines
from hil.views.screen.dialogs import Ask, Confirm, Help, Palette
from hil.views.screen.footer import Keys
from hil.views.screen.model.playback import Player
from hil.views.screen.model.time_input import frame_of
from hil.views.screen.pages.status import runs_line
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View

__all__ = ["Control", "KeyCommand", "Watching"]

_TICK_S: Final = 0.1
_AGES_S: Final = 1.0
"""What only gets older is drawn this often."""
_PAIRS: Final = {
    "left_square_bracket": "[ ]",
    "comma": ", .",
    "less_than_sign": "< >",
    "plus": "+ -",
}
"""Keys that have one place in the footer with their opposite."""
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
"""What gets a place in the footer, the first the earliest, and its word if that is a shorter one
than in the palette."""


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """Something that a run can be told. `node`: it is for the chosen one; `more`: what else to ask
    for, as `key=value`; `text`: that is one text, taken as it is; `sure`:
    it is asked for again."""

    name: str
    help: str
    node: bool = False
    more: str = ""
    text: bool = False
    sure: bool = True


class Control(Protocol):
    """The way to runs that take commands; what is told them is recorded with who told it."""

    def commands(self, run: Path) -> Sequence[KeyCommand]:
        """What `run` can be told now; nothing if it takes no commands."""

    def send(self, run: Path, command: str, words: Sequence[str]) -> tuple[bool, str]:
        """Tell it; whether it did so, and what it said. Waits; never raises."""


class Watching(App[str]):
    """Watches `runs`. `player`: how it begins. `control`: the way to tell them something.
    `end_run`: asked for when the user wants the run to end; None if it is not ours. `over`:
    whether the process of the run has ended."""

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
    BINDINGS: ClassVar[list[BindingType]] = [
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

    def __init__(
        self,
        runs: Sequence[Path],
        *,
        player: Player | None = None,
        ascii_only: bool = False,
        control: Control | None = None,
        end_run: Callable[[], None] | None = None,
        over: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.marks = Marks(ascii_only=ascii_only)
        self._clock = clock
        begin = player or Player(since_s=clock())
        self.desks = [Presenter(run, self.marks, begin, clock) for run in runs]
        self.current = 0
        self.lines = Lines()
        self._control = control
        self._end_run = end_run
        self._over = over
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
        """That of the run on view."""
        return self.desks[self.current]

    def compose(self) -> ComposeResult:
        yield self.lines
        yield Keys(self._rank)

    async def on_mount(self) -> None:
        self.theme = "textual-ansi" if self.ansi_color else "textual-dark"
        self.app_resume_signal.subscribe(self, self._returned)
        self.call_after_refresh(self.look)
        self.set_interval(_TICK_S, self.tick)

    async def on_unmount(self) -> None:
        self._ended = True
        if self._reading is not None:  # a look that was called off reads on in its thread
            await asyncio.wait([self._reading])
        for presenter in self.desks:
            presenter.source.close()

    def _returned(self, _app: App[Any]) -> None:
        """From the shell, which has written all over the screen."""
        self.screen.refresh(layout=True)
        self.lines.refresh()

    async def on_resize(self) -> None:
        self._drawn_at = -_AGES_S
        await self.look()

    # --- looking ------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Ten times a second; passes if the last one is not done."""
        if self._looking.locked():
            return
        over = self._over()  # before the look: a short run may end between them
        looked = await self.look()
        if over and looked and self.presenter.source.epoch == 0:  # it recorded nothing
            self.exit("over")  # it ended before there was anything to look at

    async def look(self) -> bool:
        """Read what is new, do what was asked for, draw what has changed; whether there was a page
        to do it for."""
        async with self._looking:
            width, height = self.lines.size
            if not width or not height or self._ended:
                return False
            if self._reading is not None and not self._reading.done():
                await asyncio.wait([self._reading])  # that of a look that was called off
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
        """In the thread: the page, or None if nothing can have changed."""
        for ask in asked:
            ask()
        now = self._clock()
        presenter = self.presenter
        due = now - self._drawn_at >= _AGES_S
        if not (asked or due or presenter.moving) and not presenter.source.poll():
            return None
        self._drawn_at = now
        runs = len(self.desks) > 1
        presenter.refresh(width, height - runs)
        if runs and now - self._others_at >= _AGES_S:
            self._others_at = now
            for other in self.desks:
                if other is not presenter:
                    other.refresh(width, height - 1)
        page = presenter.page()
        if runs:
            names = [(d.scene.run.name, *d.summary()) for d in self.desks]
            page.insert(1, runs_line(names, self.current, width, self.marks))
        return page

    def _renew_footer(self) -> None:
        """The footer shows what works now, and is made anew only when that has changed."""
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

    def _rank(self, action: str) -> tuple[int, str] | None:
        """The place of an action in the footer; None if it would change nothing that is seen."""
        presenter, view = self.presenter, self.presenter.view
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

    def get_key_display(self, binding: Binding) -> str:
        """Short, since a footer has 80 columns; and in ASCII if need be."""
        short = {"space": "sp", "escape": "esc", "enter": "ret" if self.marks.ascii_only else "⏎"}
        pair = _PAIRS.get(binding.key)
        return (
            pair
            or binding.key_display
            or short.get(binding.key)
            or super().get_key_display(binding)
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key does anything now."""
        if len(self.screen_stack) > 1:
            return action == "interrupt"
        presenter = self.presenter
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
            "pause": view not in (View.EVENTS, View.DECISION),  # p does it there, too
            "filter": view is View.EVENTS,
            "search": view is View.EVENTS,
            "run": len(self.desks) > 1,
        }
        return works.get(action, True)

    # --- keys ---------------------------------------------------------------------------------

    async def _do(self, ask: Callable[[], object]) -> None:
        """Do something with the presenter, in the thread that reads the record, and show it."""
        self._asked.append(ask)
        await self.look()

    async def action_view(self, name: str) -> None:
        await self._do(lambda: self.presenter.go(View(name)))

    async def action_open(self) -> None:
        await self._do(self.presenter.enter)

    async def action_back(self) -> None:
        await self._do(self.presenter.back)

    async def action_pause(self) -> None:
        await self._do(self.presenter.pause)

    async def action_hold(self) -> None:
        await self._do(self.presenter.pause)

    async def action_acknowledge(self) -> None:
        """Take note of all alarms; in the record, too, if the run takes commands."""
        waiting = [alarm for alarm in self.presenter.alarms if not alarm.acknowledged]
        await self._do(self.presenter.acknowledge)
        if self._control is not None and self._control.commands(self.presenter.source.run):
            for alarm in waiting:
                words = [f"alarm={alarm.name}"]
                self.run_worker(self._tell("acknowledge", words), exit_on_error=False)

    async def action_filter(self) -> None:
        await self._do(self.presenter.events.next_level)

    async def action_mark(self, step: int) -> None:
        await self._do(lambda: self.presenter.mark(step))

    async def action_vertical(self, step: int) -> None:
        await self._do(lambda: self.presenter.vertical(step))

    async def action_horizontal(self, step: int) -> None:
        await self._do(lambda: self.presenter.horizontal(step))

    async def action_zoom(self, step: int) -> None:
        await self._do(lambda: self.presenter.change_zoom(step))

    async def action_step(self, step: int) -> None:
        await self._do(lambda: self.presenter.step(step))

    async def action_faster(self, step: int) -> None:
        await self._do(lambda: self.presenter.faster(step))

    async def action_page(self, screens: int) -> None:
        await self._do(lambda: self.presenter.page_by(screens))

    async def action_first(self) -> None:
        await self._do(self.presenter.first)

    async def action_newest(self) -> None:
        await self._do(self.presenter.newest)

    async def action_run(self, step: int) -> None:
        self.current = (self.current + step) % len(self.desks)
        self._others_at = -_AGES_S
        await self._do(lambda: None)

    def action_help_page(self) -> None:
        self.push_screen(Help(self.marks))

    def action_go_to(self) -> None:
        async def found(text: str | None) -> None:
            frame = frame_of(text or "", self.presenter.source.time)
            if frame is not None:
                await self._do(lambda: self.presenter.seek(frame))
            elif text:
                self.say(f"`{text}` is no frame (1234) and no time (12.5s, 1h30m)", bad=True)

        self.push_screen(Ask("Go to a frame (1234) or a time of flight (12.5s, 1h30m)"), found)

    def action_search(self) -> None:
        async def found(text: str | None) -> None:
            if text is not None:
                await self._do(lambda: self.presenter.events.search(text))

        self.push_screen(
            Ask("Only events with this text (empty: all)", self.presenter.events.filter.text), found
        )

    async def on_event(self, event: Event) -> None:
        """Let Textual handle an event; keys that come while the last screen is taken down have
        nowhere to go."""
        try:
            await super().on_event(event)
        except ScreenStackError:
            if self.screen_stack:
                raise

    def _handle_exception(self, error: Exception) -> None:
        """Textual would print a traceback; who called says it in a line instead."""
        self.failure = self.failure or error
        self.exit("failed")

    # --- leaving ------------------------------------------------------------------------------

    @property
    def _runs_on(self) -> bool:
        return self._end_run is not None and self.desks[0].source.state in (
            State.RUNNING,
            State.WAITING,
        )

    def action_leave(self) -> None:
        """Quit; from a run that this command began, say that it goes on."""
        if not self._runs_on:
            self.exit("left")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.exit("detached")

        self.push_screen(
            Confirm(
                "Leave the screen? The run goes on.",
                f"Attach again with: hil watch {self.desks[0].source.run}",
            ),
            answered,
        )

    def action_interrupt(self) -> None:
        """Ctrl-C: end the run, if it is ours to end and still goes on; else quit."""
        if isinstance(self.screen, Confirm) or not self._runs_on:
            if self._runs_on and self._end_run is not None:  # a second Ctrl-C means it
                self._end_run()
            self.exit("interrupted" if self._runs_on else "left")
            return

        def answered(yes: bool | None) -> None:
            if yes and self._end_run is not None:
                self._end_run()
                self.say("ending the run after this frame")

        self.push_screen(
            Confirm(
                "End the run? It will be recorded as aborted.",
                "It can be gone on with later: hil run --resume",
            ),
            answered,
        )

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
        """Every key by its name; and what the run can be told, if it can be told anything."""
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and self._offered(binding):
                action = binding.action
                keys = binding.key_display or binding.key
                yield SystemCommand(
                    binding.description,
                    f"key {keys}",
                    lambda action=action: self.run_action(action),
                )
        if self._control is not None:
            for command in self._control.commands(self.presenter.source.run):
                yield SystemCommand(
                    f"run: {command.name.replace('_', ' ')}",
                    command.help,
                    lambda command=command: self.tell(command),
                )

    def _offered(self, binding: Binding) -> bool:
        name, _, rest = binding.action.partition("(")
        parameters = (rest.rstrip(")").strip("'"),) if rest else ()
        return name != "interrupt" and bool(self.check_action(name, parameters))

    def tell(self, command: KeyCommand) -> None:
        """Tell the run something: ask for what is missing, and whether it is meant."""
        words: list[str] = []
        nodes, question = self.presenter.scene.nodes, command.more
        if command.node and nodes:
            words.append(f"node={nodes[(self.presenter.node or 0) % len(nodes)].name}")
            if self.presenter.node is None and len(nodes) > 1:  # none was chosen: no guess is sent
                names = ", ".join(node.name for node in nodes)
                what = f"; and what: {question}" if question else ""
                question = f"for which node: {names}{what}"
        if not question:
            self._confirm(command, words)
            return

        def found(text: str | None) -> None:
            try:
                told = [text] if command.text and text else shlex.split(text or "")
            except ValueError as error:
                self.say(f"`{text}`: {error}; close every quote", bad=True)
                return
            if told:
                self._confirm(command, told)

        value = " ".join([*words, *([command.more] if command.node and command.more else [])])
        self.push_screen(Ask(f"{command.name.replace('_', ' ')}: {question}", value), found)

    def _confirm(self, command: KeyCommand, words: Sequence[str]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._tell(command.name, words), exit_on_error=False)

        if command.sure:
            what = " ".join([command.name, *words])
            self.push_screen(Confirm(f"{what}?", "It is recorded, with your name."), answered)
        else:
            answered(True)

    async def _tell(self, name: str, words: Sequence[str]) -> None:
        assert self._control is not None
        run = self.presenter.source.run
        ok, text = await asyncio.to_thread(self._control.send, run, name, words)
        self.say(text, bad=not ok)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Tell the user, as it is: what others have said is no markup."""
        self.notify(printable(text), severity="error" if bad else "information", markup=False)
