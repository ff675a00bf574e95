"""Places of a labgrid coordinator in scenario and bench files: one resolves a board's port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from hil.scenario.problems import Findings
from hil.scenario.yaml.document import KeyPath

__all__ = ["LABGRID_DESCRIPTION", "HasPlace", "check_places"]

LABGRID_DESCRIPTION: Final = (
    "A place of a labgrid coordinator, which has the port and, if `power` is missing, the power "
    "switch; instead of `port` and `adapter`."
)


class HasPlace(Protocol):
    """A board, or a node, of a file."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def port(self) -> str | None:
        """Return its port."""

    @property
    def adapter(self) -> str | None:
        """Return its adapter."""

    @property
    def labgrid(self) -> str | None:
        """Return its place."""


def check_places(findings: Findings, what: str, path: KeyPath, boards: Sequence[HasPlace]) -> None:
    """Add a finding for each board whose place is that of an earlier one, or which has a port
    beside its place. `what` are the `boards`: boards or nodes; `path` is that of their list."""
    first: dict[str, str] = {}
    for index, board in enumerate(boards):
        if board.labgrid is None:
            continue
        other = first.setdefault(board.labgrid, board.name)
        if other != board.name:
            findings.add(
                (*path, index, "labgrid"),
                f"the place {board.labgrid} is that of {what} {other}, too",
                f"give every {what} a place of its own",
            )
        for key, value in (("port", board.port), ("adapter", board.adapter)):
            if value is not None:
                findings.add(
                    (*path, index, key),
                    f"{what} {board.name} has both `labgrid:` and `{key}:`; the place has the port",
                    f"remove `{key}:`",
                )
