"""The interface with which the screen controls runs: their commands, and how they are sent."""

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
    """A control of runs that take commands; each command is recorded with its user."""

    def commands(self, run: Path) -> Sequence[KeyCommand]:
        """Return the commands that `run` takes now; none if it takes no commands."""

    def send(self, run: Path, command: str, words: Sequence[str]) -> tuple[bool, str]:
        """Send a command and wait; return whether the run carried it out, and its answer. Raises
        nothing: an error is an answer."""
