"""Answers from a record that is being written: what the end of a run asks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hil.record.digest import canonical_lines, combine
from hil.record.offload_rows import (
    CONTACTS,
    EVENTS,
    ITEMS,
    OffloadRows,
    RecordedItem,
    RecordedItemEvent,
)
from hil.record.outages import SKIPS, VOTE_CHANGES, Outage, VoteChange, outages_of
from hil.record.recorder_protocol import UpsetCount
from hil.record.run_meta import RunMeta
from hil.wire.ground import Contact

if TYPE_CHECKING:
    from hil.record.event_writer import RowCounts
    from hil.record.frame_blocks import FrameBlocks
    from hil.record.write_connection import WriteConnection

__all__ = ["INJECTED", "UPSET_COUNTS", "WrittenTally"]

INJECTED: Final = "state='injected' AND verified"
"""SQL that is true of an upset that was made and read back."""
UPSET_COUNTS: Final = (
    "SELECT state, verified, target, effect, outcome, activation, count(*) FROM upsets "
    "GROUP BY state, verified, target, effect, outcome, activation"
)
"""The query whose rows are `UpsetCount`."""


class WrittenTally:
    """Asks the connection that writes the record. `settle` makes durable what still waits, so that
    the answers count it. Raises: RecordError from every method."""

    def __init__(
        self,
        connection: WriteConnection,
        settle: Callable[[], None],
        blocks: FrameBlocks,
        counts: RowCounts,
    ) -> None:
        self._connection = connection
        self._settle = settle
        self._blocks = blocks
        self._counts = counts

    def run_digest(self) -> str:
        """Return the run digest of everything recorded so far."""
        self._settle()
        digest: str = self._connection.read(
            lambda db: combine(self._blocks.digest, canonical_lines(db))
        )
        return digest

    def upset_counts(self) -> list[UpsetCount]:
        """Return how many upsets there are of each state, target, effect, outcome and
        activation."""
        self._settle()
        return [UpsetCount(*row) for row in self._connection.fetch(UPSET_COUNTS)]

    def events_injected(self) -> int:
        """Return how many of the scenario's `upsets.events` were injected and read back."""
        return int(
            self._one(f"SELECT count(*) FROM upsets WHERE source LIKE 'event %' AND {INJECTED}")
        )

    def nodes_hit(self, targets: Iterable[str]) -> list[str]:
        """Return the nodes of which any of `targets` was injected, or may have been. Of what was
        committed: it is asked while frames run, which must not wait for a lock."""
        marks = ",".join("?" * len(wanted := list(targets)))
        rows = self._connection.fetch(
            f"SELECT DISTINCT node FROM upsets WHERE target IN ({marks}) "
            "AND state IN ('injected', 'failed')",
            wanted,
        )
        return [str(row[0]) for row in rows]

    def absent_since(self, node: str) -> int:
        """Return the frame in which a node left the vote last, 0 if it never did."""
        return int(
            self._one(
                "SELECT coalesce(max(frame), 0) FROM transitions WHERE node=? AND before='voting'",
                (node,),
            )
        )

    def hit_its_board(self, node: str, since: int) -> bool:
        """Return whether an upset that can take a whole board away was not over before frame
        `since`: of its power, of its memory, or a reset."""
        return bool(
            self._one(
                "SELECT count(*) FROM upsets WHERE node=? AND state='injected' AND verified AND "
                "(target IN ('board', 'board-ram') OR (target='cpu' AND kind='reset')) AND "
                "effect IN ('crash', 'hang', 'reboot') AND "
                "coalesce(resolved_frame, ?) >= ?",
                (node, since, since),
            )
        )

    def offload_rows(self) -> OffloadRows:
        """Return all that was recorded of the ground."""
        self._settle()
        fetch = self._connection.fetch
        return OffloadRows(
            tuple(Contact(*row) for row in fetch(CONTACTS)),
            tuple(RecordedItem(*row) for row in fetch(ITEMS)),
            tuple(RecordedItemEvent(*row) for row in fetch(EVENTS)),
        )

    def outages(self) -> list[Outage]:
        """Return the outages of the nodes."""
        self._settle()
        changes = [VoteChange(*row) for row in self._connection.fetch(VOTE_CHANGES)]
        skipped = dict(self._connection.fetch(SKIPS))
        return outages_of(changes, skipped)

    def run_meta(self) -> RunMeta:
        """Return the properties with which the run began, as they were written."""
        self._settle()
        rows = self._connection.fetch("SELECT key, value FROM meta")
        return RunMeta.parse({row[0]: row[1] for row in rows})

    def last_command(self) -> int:
        """Return the id of the last command, 0 if there was none."""
        return self._counts.commands

    def commands_but(self, names: Sequence[str]) -> int:
        """Return how many commands were carried out, without those of these names."""
        carried_out = self._counts.carried_out
        return sum(count for name, count in carried_out.items() if name not in names)

    def _one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        self._settle()
        return self._connection.fetch(sql, values)[0][0]
