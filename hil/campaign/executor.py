"""The seam between a campaign and what carries out its experiments.

A campaign has units, numbered from 0: classes of faults, or samples, each with one or several
experiments. An executor hands contiguous ranges of them to boards, and hands on what comes back.
The outcomes of a range depend on the experiments and the range alone, so that results are the same
whoever carries them out, in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hil.campaign.ranges import Range

__all__ = ["BoardSource", "Executor", "Experiments", "RangeOutcomes"]

Board_co = TypeVar("Board_co", covariant=True)
Board_contra = TypeVar("Board_contra", contravariant=True)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class RangeOutcomes:
    """The outcomes of the units from `first` on, `count` of them: for each experiment a byte in
    `effects` (a number of `hil.record.campaign_rows.EFFECTS`) and one in `details`; what more is
    known of them, packed, in `endings` (`hil.record.campaign_endings`). `worker` is the board that
    carried them out, for people."""

    first: int
    count: int
    effects: bytes
    details: bytes
    worker: str = ""
    endings: bytes = b""


class BoardSource(Protocol[Board_co]):
    """Opens the boards of a campaign. It can be pickled: a worker of a cluster opens its own."""

    def open(self, number: int) -> AbstractContextManager[Board_co]:
        """Open board `number`, bring it to where experiments begin, and close it afterwards.

        Raises: SetupError, LinkTimeout, NodeError, VersionMismatch."""


class Experiments(Protocol[Board_contra]):
    """The experiments of a campaign. They can be pickled."""

    @property
    def digest(self) -> str:
        """Return a digest that two campaigns share only if they have the same experiments."""

    def admit(self, board: Board_contra) -> None:
        """Check that a board does the same as the one that the experiments were planned with.
        Raises: SetupError if it does not; LinkTimeout, NodeError."""

    def carry_out(
        self,
        board: Board_contra,
        units: Range,
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out the experiments of a range of units, in their order, and give the outcomes to
        `keep` in parts; end early once `stopped` returns true.

        Raises: SetupError if the board does something else than planned; LinkTimeout or NodeError
        if it fails again and again; what `keep` raises."""


class Executor(Protocol[Board_co]):
    """Carries out experiments on boards, here or elsewhere. Used as a context manager: it has its
    boards from entering to leaving."""

    def ask(self, question: Callable[[Board_co], Answer]) -> Answer:
        """Return what `question`, a function of a module, answers about one of the boards.

        Raises: SetupError, LinkTimeout, NodeError."""

    def carry_out(
        self,
        experiments: Experiments[Board_co],
        ranges: Sequence[Range],
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out the units of `ranges`, which do not overlap; give each outcome to `keep` once,
        from any thread, one call at a time. Return when all are done, or soon after `stopped`
        returns true.

        Raises: SetupError, LinkTimeout, NodeError, and what `keep` raises."""
