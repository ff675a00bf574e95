"""The dialogs of the screen: help, a question with a text, one with yes or no, and the list of
commands.

Keys may arrive faster than a dialog closes: if the user holds Enter, the second one arrives after
the first has closed it. Each dialog therefore closes once, and closes nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeVar

from rich.text import Text
from textual.app import ComposeResult, SystemCommand
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.events import Click, Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from hil.printable import printable

__all__ = ["Ask", "Confirm", "Help", "Palette"]

_Answer = TypeVar("_Answer")


class _Dialog(ModalScreen[_Answer]):
    """A screen that closes once, and only while it is the topmost one."""

    _answered = False

    def dismiss(self, result: _Answer | None = None) -> AwaitComplete:
        """Close with this result; do nothing if the dialog is closed already."""
        if self._answered or not self.is_current:
            return AwaitComplete()
        self._answered = True
        return super().dismiss(result)

    def action_leave(self) -> None:
        """Close without a result."""
        self.dismiss(None)


class Help(_Dialog[None]):
    """The page of keys and marks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "leave", "Back"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, lines: Sequence[Text]) -> None:
        super().__init__()
        self._page = VerticalScroll(Static(Text("\n").join(lines)), can_focus=False)

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog."""
        with Vertical():
            yield self._page

    def action_scroll(self, step: int) -> None:
        """Scroll by `step` lines."""
        self._page.scroll_relative(y=step, animate=False)


class _Typed(_Dialog[_Answer]):
    """A dialog with an input line.

    The widgets of a dialog are attributes and never queried: a key may arrive before Textual has
    mounted them, or after it has removed them."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self, line: Input) -> None:
        super().__init__()
        self._line = line
        self._early: list[Key] = []

    def on_key(self, event: Key) -> None:
        """Keep keys that are pressed before the line has the focus; it gets them later."""
        if not isinstance(self.focused, Input):
            self._early.append(event)
            event.stop()

    async def on_descendant_focus(self) -> None:
        """Give the line the keys that were pressed before it had the focus."""
        early, self._early = self._early, []
        for event in early:
            if event.is_printable and event.character:
                self._line.insert_text_at_cursor(event.character)
            elif event.key == "backspace":
                self._line.action_delete_left()
            elif event.key == "enter":
                await self._line.action_submit()


class Ask(_Typed["str | None"]):
    """A question that is answered by a text."""

    def __init__(self, question: str, value: str = "") -> None:
        super().__init__(Input(value, compact=True, select_on_focus=False))
        self._question = question

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog."""
        with Vertical():
            yield Static(Text(printable(self._question)))
            yield self._line

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the text."""
        self.dismiss(event.value.strip())


class _Rows(OptionList):
    """A list whose rows may change between a click and its arrival."""

    def on_click(self, event: Click) -> None:
        """Drop clicks on rows that do not exist any more; Textual handles the others."""
        row = event.style.meta.get("option")
        if row is not None and row >= self.option_count:
            event.prevent_default()


class Palette(_Typed["SystemCommand | None"]):
    """The list of all commands, reduced to those that contain all typed words.

    Textual's own palette searches in a worker that fails when the palette closes meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose('cursor_up')", "Up", show=False),
        Binding("down", "choose('cursor_down')", "Down", show=False),
        Binding("pageup", "choose('page_up')", "A screen up", show=False),
        Binding("pagedown", "choose('page_down')", "A screen down", show=False),
    ]

    def __init__(self, commands: Iterable[SystemCommand]) -> None:
        super().__init__(Input(placeholder="Search for commands", compact=True))
        self._commands = list(commands)
        self._listed = self._commands
        self._rows = _Rows(*map(self._row, self._listed), markup=False, compact=True)
        self._rows.can_focus = False
        self._rows.highlighted = 0 if self._listed else None

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog."""
        with Vertical():
            yield self._line
            yield self._rows

    @staticmethod
    def _row(command: SystemCommand) -> Text:
        return Text.assemble(printable(command.title), "  ", (printable(command.help), "dim"))

    def on_input_changed(self, event: Input.Changed) -> None:
        """List the commands that contain all typed words."""
        words = event.value.lower().split()
        self._listed = [
            command
            for command in self._commands
            if all(word in f"{command.title} {command.help}".lower() for word in words)
        ]
        if words:  # names that begin with the first word come first
            self._listed.sort(key=lambda command: not command.title.lower().startswith(words[0]))
        self._rows.set_options(map(self._row, self._listed))
        self._rows.highlighted = 0 if self._listed else None

    def action_choose(self, move: str) -> None:
        """Move the cursor in the list."""
        if move.startswith("page") and not self._rows.scrollable_content_region:
            return  # it has no page yet: no room, or no layout
        moves: dict[str, Callable[[], None]] = {
            "cursor_up": self._rows.action_cursor_up,
            "cursor_down": self._rows.action_cursor_down,
            "page_up": self._rows.action_page_up,
            "page_down": self._rows.action_page_down,
        }
        moves[move]()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Close with the command under the cursor."""
        self._take(self._rows.highlighted)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the command that was clicked."""
        self._take(event.option_index)

    def _take(self, at: int | None) -> None:
        if at is not None and at < len(self._listed):
            self.dismiss(self._listed[at])


class Confirm(_Dialog[bool]):
    """A question that is answered by yes or no; Enter alone does not answer it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, question: str, more: str) -> None:
        super().__init__()
        self._text = f"{question}\n{more}\n\ny  yes        n, escape  no"

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog."""
        with Vertical():
            yield Static(Text(printable(self._text)))

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)
