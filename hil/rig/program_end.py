"""The end of a program that was a node's worker: asked from its agent, and told in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.errors import ProgramFailed
from hil.printable import one_line
from hil.rig.node import Node
from hil.rig.program_words import last_line, words_of
from hil.rig.requests import Requests
from hil.wire import decoding, encoding
from hil.wire.messages import Msg, ProgramEnd, ProgramExit

__all__ = ["ProgramEnds", "ask_end", "start_failed"]

_NOTED_MAX: Final = 100
"""So many ends of a node's programs are in the record with all that is kept of their standard
error; of later ones only the last line is."""
_NOTE: Final = "program"


def ask_end(requests: Requests, node: Node) -> ProgramEnd | None:
    """Ask the agent of a node how its last program ended, with all that is kept of its standard
    error. None if the agent does not answer, or is older than this request."""
    stderr = b""
    while True:
        call = requests.send(node, Msg.PROGRAM, encoding.program_request(0, len(stderr)))
        if not isinstance(call.result, bytes):
            return None
        end = decoding.program(call.result)
        if end.offset != len(stderr):
            return None
        stderr += end.stderr
        if len(stderr) >= end.kept or not end.stderr:
            return replace(end, offset=0, stderr=stderr)


def start_failed(node: Node, name: str, what: str, end: ProgramEnd | None) -> ProgramFailed:
    """Return the error that a program did not start. `what`: what the agent answered; `end`: how
    the program ended, if that is known."""
    stderr = b"" if end is None else end.stderr
    how = "" if end is None or end.how is ProgramExit.NONE else f": it {words_of(end)}"
    line = last_line(stderr)
    said = f" ({line})" if line else ""
    return ProgramFailed(
        f"node {node.name}: the program `{name}` did not start{how}{said}; {what}",
        stderr=stderr.decode(errors="replace"),
        remedy="csrc/port/linux/EXEC.md says what such a program does; `exec: {init_s: ...}` is "
        "the time that it has to start",
    )


class ProgramEnds:
    """Tells how the programs of a rig's nodes ended: in the results of frames, in the record and in
    the console logs. Not thread-safe."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._noted: dict[str, int] = {}

    def explain(self, node: Node, name: str, reason: str) -> str:
        """Return why a node did not complete its step: how its program `name` ended, or `reason` if
        that is not known."""
        end = ask_end(self._requests, node)
        if end is None or end.how is ProgramExit.NONE:
            return reason
        self.note(node, name, end)
        line = last_line(end.stderr)
        said = f": {line}" if line else ""
        return f"the program `{name}` {words_of(end)}{said}"

    def note(self, node: Node, name: str, end: ProgramEnd) -> None:
        """Note the end of a program for the record and the console log of its node."""
        if end.stderr:
            node.console.on_program(end.stderr)
        count = self._noted[node.name] = self._noted.get(node.name, 0) + 1
        text = one_line(end.stderr.decode(errors="replace"))
        if count > _NOTED_MAX:
            text = last_line(end.stderr)
        said = f"; the last of its standard error: {text}" if text else ""
        node.link.status.note(f"{_NOTE} `{name}` {words_of(end)}{said}")
