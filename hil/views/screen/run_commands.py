"""Sends commands from the screen to runs with `--control`, through `hil.control`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hil.control.client import Client, takes_commands
from hil.control.commands import COMMANDS, WriteNote
from hil.control.words import command_of
from hil.errors import HilError
from hil.views.screen.run_control import KeyCommand

__all__ = ["Socket"]

_MORE: Final = {
    "inject": "target=state bit=7",
    "pace": "pace=realtime",
    "note": "what to remember",
}
_HIDDEN: Final = frozenset({"status", "acknowledge"})


class Socket:
    """A control over the sockets in the folders of runs."""

    def commands(self, run: Path) -> Sequence[KeyCommand]:
        """Return the commands that `run` takes now."""
        if not takes_commands(run):
            return ()
        return [
            KeyCommand(
                c.name,
                c.help,
                node=any(a.name == "node" for a in c.arguments),
                more=_MORE.get(c.name, ""),
                text=c.kind is WriteNote,
                sure=c.destructive,
            )
            for c in COMMANDS.values()
            if c.name not in _HIDDEN
        ]

    def send(self, run: Path, command: str, words: Sequence[str]) -> tuple[bool, str]:
        """Send a command and wait; return whether it was carried out, and the answer."""
        try:
            with Client(run) as client:
                answer = client.send(command_of(command, words))
        except HilError as error:
            return False, error.message
        return answer.ok, answer.text
