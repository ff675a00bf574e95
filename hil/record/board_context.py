"""The boards of a run besides its frames: what each executed, and its kernel log before and after.

It is recorded in `meta` (key `board_context`) as one JSON object, so that the seal of the record
covers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from hil.json_values import JsonObject

__all__ = [
    "BOARD_CONTEXT",
    "BoardContext",
    "BootImage",
    "ConsoleFile",
    "KernelLog",
    "LogExtent",
    "NodeContext",
]

BOARD_CONTEXT: Final = "board_context"
"""The key in `meta`."""


@dataclass(frozen=True, slots=True)
class LogExtent:
    """A log at one moment: how many lines it has, and the SHA-256 of all of them, each with a line
    feed behind it."""

    lines: int
    sha256: str


@dataclass(frozen=True, slots=True)
class KernelLog:
    """The kernel log of a board, or of this computer. `source`: where it was read; `unknown`: why
    there is none, else empty.

    `before`: until the first frame, `tail` has its last lines; `after`: at the end, None for a run
    that did not end. `new` has the first lines of the difference, of `new_lines` in all. `lost`:
    the kernel had dropped lines in between, so that the difference is not whole."""

    source: str
    unknown: str = ""
    before: LogExtent | None = None
    tail: tuple[str, ...] = ()
    after: LogExtent | None = None
    new: tuple[str, ...] = ()
    new_lines: int = 0
    lost: bool = False


@dataclass(frozen=True, slots=True)
class BootImage:
    """A file that a board booted: what it is, its name and its SHA-256."""

    what: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """The log of all that a board printed, at the end of the run: its name in the run's folder, its
    size [byte] and its SHA-256."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The facts on the board of a node. `agent_sha256`: of the executable of its agent, None if
    that is not known; `agent_known`: how it is known, or why not. `kernel_log`: None for a board on
    this computer, whose kernel log is that of the host."""

    agent_sha256: str | None
    agent_known: str
    booted: tuple[BootImage, ...] = ()
    kernel_log: KernelLog | None = None
    console: ConsoleFile | None = None


@dataclass(frozen=True, slots=True)
class BoardContext:
    """The context of all boards. `from_frame`: the frame with which the run began, or was resumed,
    at the time `at_utc` (ISO 8601); what is before is before that. `host_log`: None if no board is
    of this computer. `nodes`: by name."""

    from_frame: int
    at_utc: str
    host_log: KernelLog | None = None
    nodes: Mapping[str, NodeContext] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """Return it as it is recorded."""
        content: JsonObject = asdict(self)
        return content
