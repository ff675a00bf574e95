"""Counts rows of a record; each question has one answer."""

from __future__ import annotations

from dataclasses import dataclass

from hil.record.outages import SKIPS
from hil.record.queries import PREVENTIVE, WAS_ALONE, Rows
from hil.record.record_tables import RecordTable
from hil.record.recorder_protocol import UpsetCount
from hil.record.row_values import values_of
from hil.record.tally import INJECTED, UPSET_COUNTS
from hil.redundancy.spares import NEEDED, STANDS_BY

__all__ = [
    "MissedUpsets",
    "NodePowerRow",
    "RepairCost",
    "ThrottledReadings",
    "count_rows",
    "count_upsets",
    "executed_commands",
    "frames_skipped",
    "frames_without_unanimity",
    "injected_by_activation",
    "injected_by_effect",
    "injected_by_outcome",
    "injected_by_target",
    "injected_effects",
    "injected_events",
    "injected_upsets",
    "isolated_nodes",
    "longest_output",
    "missed_upsets",
    "node_power",
    "packed_frames",
    "repair_costs",
    "skips",
    "throttled_readings",
    "wrong_outputs",
]


def _one(record: Rows, sql: str) -> int:
    return int(record.rows(sql)[0][0])


def count_rows(record: Rows, table: RecordTable) -> int:
    """Return how many rows a table has."""
    return _one(record, f"SELECT count(*) FROM {table}")


def packed_frames(record: Rows) -> int:
    """Return how many frames were computed, as the blocks have them."""
    return _one(record, "SELECT coalesce(sum(count), 0) FROM blocks")


def longest_output(record: Rows) -> int:
    """Return the length of the longest output of a node that is in the record, 0 without one
    [byte]."""
    return _one(record, "SELECT coalesce(max(length(output)), 0) FROM replies")


def skips(record: Rows) -> dict[int, int]:
    """Return how many quiet frames were skipped before which frame."""
    return {row[0]: row[1] for row in record.rows(SKIPS)}


def frames_skipped(record: Rows) -> int:
    """Return how many quiet frames were skipped in all."""
    return _one(record, "SELECT coalesce(sum(frames), 0) FROM skips")


def frames_without_unanimity(record: Rows) -> int:
    """Return in how many frames not all nodes agreed."""
    return _one(record, "SELECT count(*) FROM frames WHERE verdict != 'unanimous'")


def wrong_outputs(record: Rows) -> int:
    """Return in how many frames the agreed output was not the fault-free one."""
    return _one(record, "SELECT count(*) FROM frames WHERE output != golden_output")


def isolated_nodes(record: Rows) -> int:
    """Return how many nodes are isolated at the end of the record, without those on stand-by."""
    return _one(
        record,
        f"SELECT count(*) FROM transitions t WHERE after='isolated' AND cause != '{STANDS_BY}' AND "
        "id=(SELECT max(id) FROM transitions WHERE node=t.node)",
    )


def executed_commands(record: Rows) -> int:
    """Return how many commands of operators were carried out."""
    return _one(record, "SELECT count(*) FROM commands WHERE ok")


# --- upsets ---------------------------------------------------------------------------------------


def count_upsets(record: Rows) -> list[UpsetCount]:
    """Return how many upsets there are of each state, target, effect, outcome and activation."""
    return [UpsetCount(*row) for row in record.rows(UPSET_COUNTS)]


def injected_upsets(record: Rows) -> int:
    """Return how many upsets were injected and read back."""
    return _one(record, f"SELECT coalesce(sum({INJECTED}), 0) FROM upsets")


def injected_events(record: Rows) -> int:
    """Return how many of the scenario's `upsets.events` were injected and read back."""
    return _one(record, f"SELECT count(*) FROM upsets WHERE {INJECTED} AND source LIKE 'event %'")


def injected_by_target(record: Rows) -> dict[str, int]:
    """Return how many upsets were injected into each target, in the order of their names."""
    return _injected_by(record, "target", "")


def injected_by_effect(record: Rows) -> dict[str, int]:
    """Return how many injected upsets had each effect on their node; unknown if no frame has
    shown one, as of those of a board that did not answer any more."""
    return _injected_by(record, "effect", "unknown")


def injected_by_outcome(record: Rows) -> dict[str, int]:
    """Return how many injected upsets had each outcome; unknown of those that are not settled."""
    return _injected_by(record, "outcome", "unknown")


def injected_by_activation(record: Rows) -> dict[str, int]:
    """Return how many injected upsets had each activation; unknown if it is not known."""
    return _injected_by(record, "activation", "unknown")


def _injected_by(record: Rows, column: str, default: str) -> dict[str, int]:
    rows = record.rows(
        f"SELECT CASE WHEN {column}='' THEN ? ELSE {column} END, count(*) FROM upsets "
        f"WHERE {INJECTED} GROUP BY 1 ORDER BY 1",
        default,
    )
    return {row[0]: row[1] for row in rows}


def injected_effects(record: Rows) -> dict[str, dict[str, int]]:
    """Return how many injected upsets had each effect, by target and effect."""
    counts: dict[str, dict[str, int]] = {}
    for target, effect, count in record.rows(
        "SELECT target, CASE WHEN effect='' THEN 'unknown' ELSE effect END, "
        f"count(*) FROM upsets WHERE {INJECTED} GROUP BY 1, 2"
    ):
        counts.setdefault(target, {})[effect] = count
    return counts


@dataclass(frozen=True, slots=True)
class MissedUpsets:
    """Upsets that were not made, or not read back, for one reason. `state` is `not verified` for
    those that were made; `targets` are names with commas between them."""

    state: str
    detail: str
    targets: str
    count: int


def missed_upsets(record: Rows) -> list[MissedUpsets]:
    """Return the upsets that were not made or not read back, by reason, the most frequent first."""
    return values_of(
        MissedUpsets,
        record.rows(
            "SELECT CASE WHEN state='injected' THEN 'not verified' ELSE state END AS state, "
            "detail, group_concat(DISTINCT target) AS targets, count(*) AS count FROM upsets "
            f"WHERE NOT ({INJECTED}) GROUP BY 1, 2 ORDER BY 4 DESC"
        ),
    )


# --- repairs and boards ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RepairCost:
    """An attempt to repair, of one node or in a rollback of several: what it moved and took.
    `purpose`: why, if it is not that the node failed."""

    action: str
    ok: int
    bytes_moved: int
    duration_wall_us: int
    purpose: str = ""

    @property
    def strategy(self) -> str:
        """Return what was done, in words: the action, and its purpose."""
        words = self.action.replace("_", " ")
        return f"{words}, {self.purpose}" if self.purpose else words


def repair_costs(record: Rows) -> list[RepairCost]:
    """Return what each attempt to repair cost, in order.

    Counted as `recoveries` counts: the record has a row for each node of a rollback, and they are
    one attempt; a frame may have several."""
    return values_of(
        RepairCost,
        record.rows(
            """
            SELECT action, min(ok) AS ok, sum(bytes_moved) AS bytes_moved,
              max(duration_wall_us) AS duration_wall_us, max(CASE WHEN cause = ? THEN
                'preventive' WHEN cause LIKE ? THEN 'from stand-by' ELSE '' END) AS purpose
            FROM (
              SELECT *, CASE WHEN action = 'rollback'
                THEN row_number() OVER (PARTITION BY action, frame, node ORDER BY id)
                ELSE -id END AS at
              FROM repairs WHERE action != 'rollback' OR cause != ?
            ) GROUP BY action, frame, at ORDER BY min(id)
            """,
            PREVENTIVE,
            f"{NEEDED}%",
            WAS_ALONE,
        ),
    )


@dataclass(frozen=True, slots=True)
class ThrottledReadings:
    """The number of readings of a node that had one value of `throttled`."""

    throttled: int
    readings: int


def throttled_readings(record: Rows, node: int) -> list[ThrottledReadings]:
    """Return how many readings of a node (by its index) had each value of `throttled`."""
    return values_of(
        ThrottledReadings,
        record.rows(
            "SELECT throttled, count(*) AS readings FROM health WHERE node = ? "
            "AND throttled IS NOT NULL GROUP BY throttled",
            node,
        ),
    )


@dataclass(frozen=True, slots=True)
class NodePowerRow:
    """The power that a node's board drew by its own sensors: mean and maximum [mW] of
    `readings`."""

    mean_mw: float
    most_mw: float
    readings: int


def node_power(record: Rows, node: int) -> NodePowerRow | None:
    """Return what the board of a node (by its index) drew. None if no reading has it."""
    rows = record.rows(
        "SELECT avg(power_mw) AS mean_mw, max(power_mw) AS most_mw, "
        "count(power_mw) AS readings FROM health WHERE node = ?",
        node,
    )
    return values_of(NodePowerRow, rows)[0] if rows[0]["readings"] else None
