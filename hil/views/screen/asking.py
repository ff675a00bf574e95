"""What comes up over the screen: help, a question with an answer in text, one with yes or no."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from hil.printable import printable
from hil.views.screen.help import help_lines
from hil.views.screen.paint import Marks

__all__ = ["Ask", "Confirm", "Help"]


class Help(ModalScreen[None]):
    """The page of keys and marks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "leave", "Back"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self._marks = marks

    def compose(self) -> ComposeResult:
        with Vertical(), VerticalScroll(can_focus=False):
            yield Static(Text("\n").join(help_lines(self._marks)))

    def action_leave(self) -> None:
        self.dismiss()

    def action_scroll(self, step: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)


class Ask(ModalScreen["str | None"]):
    """A question with an answer in text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self, question: str, value: str = "") -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._early: list[Key] = []

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(printable(self._question)))
            yield Input(self._value, compact=True, select_on_focus=False)

    def on_key(self, event: Key) -> None:
        """Keys that were pressed before there was a line to type them into are not lost."""
        if not isinstance(self.focused, Input):
            self._early.append(event)
            event.stop()

    async def on_descendant_focus(self) -> None:
        early, self._early = self._early, []
        line = self.query_one(Input)
        for event in early:
            if event.is_printable and event.character:
                line.insert_text_at_cursor(event.character)
            elif event.key == "backspace":
                line.action_delete_left()
            elif event.key == "enter":
                await line.action_submit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        self.dismiss(None)


class Confirm(ModalScreen[bool]):
    """A question with yes or no; nothing happens by accident."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, question: str, more: str) -> None:
        super().__init__()
        self._text = f"{question}\n{more}\n\ny  yes        n, escape  no"

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(printable(self._text)))

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)
