"""Consoles in scenario and bench files: their ports, which nothing else uses, and the user's own
patterns of text."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Annotated, Final, Protocol

from pydantic import AfterValidator, Field

from hil.scenario.fields import Int
from hil.scenario.ports import PORT_EXAMPLES, port_name
from hil.scenario.problems import Findings, wrong
from hil.scenario.supply import SupplyConfig
from hil.scenario.visa_names import serial_device
from hil.scenario.words import ADAPTER_EXAMPLES, is_adapter_name
from hil.scenario.yaml.document import KeyPath
from hil.scenario.yaml.messages import describe

__all__ = [
    "CONSOLE_BAUD",
    "CONSOLE_EXAMPLES",
    "ConsoleBaud",
    "ConsoleExpression",
    "ConsoleName",
    "HasConsole",
    "check_consoles",
    "same_port",
]

CONSOLE_EXAMPLES: Final = f"{PORT_EXAMPLES}, or an adapter such as {ADAPTER_EXAMPLES}"
CONSOLE_BAUD: Final = 115200


def _console(value: str) -> str:
    if value.lower().startswith("tcp://"):
        raise wrong(
            f"{describe(value)} is the port of an agent, which sends frames only; expected "
            f"{CONSOLE_EXAMPLES}"
        )
    if not value.startswith(("usb-serial:", "usb-path:")):
        return port_name(value)
    if not is_adapter_name(value):
        raise wrong(f"{describe(value)} is not a valid adapter; expected {ADAPTER_EXAMPLES}")
    return value


def _expression(value: str) -> str:
    try:
        compiled = re.compile(value)
    except re.error as error:
        raise wrong(
            f"{describe(value)} is not a regular expression: {error}",
            "put a backslash before a character that stands for itself",
        ) from error
    if compiled.search(""):
        raise wrong(
            f"{describe(value)} matches every line; expected a regular expression for a part of a "
            "line, such as `E_FLASH: .*`"
        )
    return value


ConsoleName = Annotated[str, AfterValidator(_console)]
ConsoleBaud = Annotated[Int, Field(ge=50, le=4_000_000)]
ConsoleExpression = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_expression)]


class HasConsole(Protocol):
    """A board, or a node, of a file."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def port(self) -> str | None:
        """Return its port, or where it was."""

    @property
    def adapter(self) -> str | None:
        """Return its adapter."""

    @property
    def power(self) -> SupplyConfig | None:
        """Return the supply that switches its power."""

    @property
    def console(self) -> str | None:
        """Return its console port, or the adapter of it."""

    @property
    def console_baud(self) -> int | None:
        """Return the baud rate of its console port, if it is given."""


def same_port(first: str, second: str) -> bool:
    """Return whether two ports are one: the same text, or names of one device."""
    if first == second:
        return True
    files = first.startswith("/") and second.startswith("/")
    return files and os.path.realpath(first) == os.path.realpath(second)


def check_consoles(
    findings: Findings, what: str, path: KeyPath, boards: Sequence[HasConsole]
) -> None:
    """Add a finding for each console port that a board uses for something else. `what` are the
    `boards`: boards or nodes; `path` is that of their list."""
    for index, board in enumerate(boards):
        if board.console is None:
            if board.console_baud is not None:
                findings.add(
                    (*path, index, "console_baud"),
                    f"{what} {board.name} has `console_baud`, but no `console`",
                    f"add `console:`, {CONSOLE_EXAMPLES}; or remove `console_baud:`",
                )
            continue
        for number, other in enumerate(boards):
            for use, port in _uses(other, of_console=number < index):
                if port is not None and same_port(board.console, port):
                    findings.add(
                        (*path, index, "console"),
                        f"the console {board.console} is {use} of {what} {other.name}",
                        "give the console a port of its own: bytes outside frames on the port "
                        "of a board are in its console log without `console:`",
                    )


def _uses(board: HasConsole, *, of_console: bool) -> list[tuple[str, str | None]]:
    """Return the ports of a board and what each is; with `of_console` also that of its console."""
    power = board.power
    supply = None if power is None or power.resource is None else serial_device(power.resource)
    uses = [("the port", board.port), ("the port", board.adapter), ("the supply", supply)]
    return [*uses, ("the console", board.console)] if of_console else uses
