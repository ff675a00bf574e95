"""What the screen needs to control a run: the commands with keys, and a way to send them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Control", "KeyCommand"]


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """A command that a run takes.

    `node`: it is for the chosen node; `more`: further arguments to ask for, as `key=value`; `text`:
    the argument is one text, taken as it is; `sure`: the screen asks for confirmation."""

    name: str
    help: str
    node: bool = False
    more: str = ""
    text: bool = False
    sure: bool = True


class Control(Protocol):
    """The way to runs that take commands; a command is recorded with the user who sent it."""

    def commands(self, run: Path) -> Sequence[KeyCommand]:
        """Return what `run` can be sent now; nothing if it takes no commands."""

    def send(self, run: Path, command: str, words: Sequence[str]) -> tuple[bool, str]:
        """Send a command; returns whether the run carried it out, and its answer. Waits for the
        answer; never raises."""
