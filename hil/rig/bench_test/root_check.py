"""Looks over ssh whether the root file systems of boards survive power cuts.

The wire has no place for it. Only boards with `ssh:` in the bench file are asked, without a
password; nothing is changed there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hil.board_types.board_survey import survey
from hil.errors import LinkError, SetupError
from hil.rig.bench_test.board_links import BoardUnderTest
from hil.scenario.bench_report import RootState

__all__ = ["RootCheck"]


@dataclass(slots=True)
class RootCheck:
    """Asks boards for their root file systems. `announce` gets a sentence about what takes long;
    `states` (by the names of boards) and `notes` are the results so far."""

    announce: Callable[[str], None]
    states: dict[str, RootState] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def look(self, board: BoardUnderTest) -> None:
        """Ask one board, if the bench file says how it is reached. Raises nothing: a board that is
        not reached is a note."""
        host = board.config.ssh
        if host is None:
            return
        self.announce(f"{board.name}: its root file system is looked at over ssh")
        self.states[board.name] = RootState.UNKNOWN
        try:
            state = self.states[board.name] = survey(host, may_ask=False).root
        except (LinkError, SetupError) as error:
            self.notes.append(
                f"{board.name}: whether its root file system survives power cuts is not known: "
                f"{error.message}"
            )
            return
        if state is RootState.WRITABLE:
            self.notes.append(
                f"{board.name}: its root file system is writable, and a power cut may damage it; "
                "make it an overlay (boards/README.md, A root file system that survives power cuts)"
            )
