"""The transition table in the docstring of hil.redundancy.recovery, read as edges."""

from __future__ import annotations

from dataclasses import dataclass

from hil.redundancy import recovery
from hil.redundancy.recovery import RUNGS, NodeState, RecoveryMachine

__all__ = ["Edge", "edges_of", "table"]


@dataclass(frozen=True)
class Edge:
    """A transition, and which call made it on what."""

    before: NodeState
    after: NodeState
    on: str


def table() -> list[tuple[str, str, str]]:
    """From, to and on of every row of the docstring's table."""
    assert recovery.__doc__ is not None
    lines = recovery.__doc__.splitlines()
    head = next(n for n, line in enumerate(lines) if line.split() == ["from", "to", "on", "by"])
    starts = [lines[head].index(f" {word} ") + 1 for word in ("from", "to", "on")]
    starts.append(lines[head].index(" by") + 1)
    ends: list[int | None] = [*starts[1:], None]
    rows = []
    for line in lines[head + 1 :]:
        if not line.strip():
            break
        cells = [line[a:b].strip() for a, b in zip(starts, ends, strict=True)]
        assert hasattr(RecoveryMachine, cells[3]), f"{cells[3]} makes no edges"
        rows.append((cells[0], cells[1], cells[2]))
    return rows


def edges_of(row: tuple[str, str, str]) -> set[Edge]:
    """The edges that a row of the table allows."""
    return {
        Edge(before, after, on)
        for before in _states(row[0])
        for after in _states(row[1], before)
        for on in _ON[row[2]]
        if before is not after
    }


def _states(cell: str, before: NodeState | None = None) -> set[NodeState]:
    """Which states a cell of the table means; `next rung` counts from `before`."""
    if cell == "any rung":
        return set(RUNGS)
    if cell == "next rung":
        at = RUNGS.index(before) if before is not None and before in RUNGS else 0
        return set(RUNGS[at:])
    if cell == "any but VOTING":
        return set(NodeState) - {NodeState.VOTING, NodeState.ISOLATED}
    if ".." in cell:
        first, _, last = cell.partition("..")
        end = RUNGS[-1] if last in ("", "CYCLE") else NodeState[last]
        return set(RUNGS[RUNGS.index(NodeState[first]) : RUNGS.index(end) + 1])
    return {NodeState[cell]}


_ON = {
    "any observation but AGREED": {"bad"},
    "in the same call: the rung is chosen": {"bad"},
    "result ok": {"result ok"},
    "result not ok": {"result not ok"},
    "enough consecutive AGREED": {"AGREED"},
    "no attempt left": {"bad", "result not ok", "on_power_restored"},
    "on_power_restored (not while held)": {"on_power_restored"},
    "the operator isolates it (held)": {"isolate"},
    "the operator brings it back": {"reintegrate"},
    "the operator orders a rung": {"order"},
    "out of step because it was late": {"resync_after_lateness"},
    "absent: its board is searched for": {"away"},
    "its board is back (not while held)": {"returned"},
    "too few are left for an output": {"retry_isolated"},
    "the plant takes it out (shed)": {"shed"},
    "the plant gives it back": {"restored"},
}
