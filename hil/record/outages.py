"""Outages: how long nodes did not vote, from the transitions of recovery.

An outage lasts from the frame in which a node left the vote to the one in which it was given its
vote back. A node that is repaired before the next frame has none.

It is measured in simulated time, skipped frames included. Only of a board that boots beside an
unpaced run, whose frames take no time of their own, it is measured in real time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import Final, NamedTuple

from hil.record.queries import Rows
from hil.redundancy.spares import STANDS_BY
from hil.scenario.words import BoardKind

__all__ = [
    "SKIPS",
    "VOTE_CHANGES",
    "NodeOutages",
    "Outage",
    "VoteChange",
    "mean_time_to_repair_s",
    "node_outages",
    "outages_of",
    "recorded_outages",
    "timed_by_host",
]

VOTE_CHANGES: Final = (
    "SELECT node, frame, after='voting', wall_us FROM transitions "
    f"WHERE (before='voting' OR after='voting') AND cause != '{STANDS_BY}' ORDER BY id"
)
"""The query whose rows are `VoteChange`. A node on stand-by is not out of the vote for a fault."""
SKIPS: Final = "SELECT frame, frames FROM skips"
"""The query whose rows are a frame, and how many were skipped before it."""
_BESIDE_A_RUN: Final = frozenset({BoardKind.SERIAL.value, BoardKind.EMULATED.value})


class VoteChange(NamedTuple):
    """A node leaves the vote with `frame`, or votes again from then on."""

    node: str
    frame: int
    votes: bool
    wall_us: int


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a node did not vote: nominal frames (skipped ones included), and real time
    since the run began [us]. The last two are None if it did not vote again."""

    node: str
    first_frame: int
    first_wall_us: int
    last_frame: int | None = None
    last_wall_us: int | None = None


@dataclass(frozen=True, slots=True)
class NodeOutages:
    """The outages of one node: how many, how long together and the longest [s]; the mean time to
    repair of those that ended, and the mean time between failures: its time in the vote per outage
    (None: not known). `away`: it did not vote at the end of the run."""

    node: str
    outages: int
    out_s: float
    longest_s: float
    mttr_s: float | None
    mtbf_s: float | None
    away: bool


def timed_by_host(boards: Mapping[str, str], *, paced: bool) -> frozenset[str]:
    """Return the nodes whose outages are measured in real time. `boards`: the kind of each."""
    if paced:
        return frozenset()
    return frozenset(node for node, kind in boards.items() if kind in _BESIDE_A_RUN)


def outages_of(changes: Iterable[VoteChange], skips: Mapping[int, int]) -> list[Outage]:
    """Return the outages, in the order in which they began. `skips`: how many frames were skipped
    before which frame."""
    out: list[Outage] = []
    open_at: dict[str, int] = {}
    before = sorted(skips)
    skipped = [0, *accumulate(skips[frame] for frame in before)]
    for change in changes:
        nominal = change.frame + skipped[bisect_right(before, change.frame)]
        if not change.votes:
            open_at[change.node] = len(out)
            out.append(Outage(change.node, nominal, change.wall_us))
        elif change.node in open_at:
            index = open_at.pop(change.node)
            begin = out[index]
            out[index] = Outage(
                begin.node, begin.first_frame, begin.first_wall_us, nominal, change.wall_us
            )
    return [o for o in out if o.last_frame != o.first_frame]


def recorded_outages(record: Rows) -> list[Outage]:
    """Return the outages of a recorded run. Raises: RecordError if the record cannot be read."""
    changes = (VoteChange(r[0], r[1], bool(r[2]), r[3]) for r in record.rows(VOTE_CHANGES))
    return outages_of(changes, {row[0]: row[1] for row in record.rows(SKIPS)})


def _duration_s(outage: Outage, by_host: AbstractSet[str], frame_us: int) -> float | None:
    """Return how long an outage that has ended lasted [s]."""
    if outage.last_frame is None or outage.last_wall_us is None:
        return None
    if outage.node in by_host:
        return max(0, outage.last_wall_us - outage.first_wall_us) / 1e6
    return (outage.last_frame - outage.first_frame) * frame_us / 1e6


def mean_time_to_repair_s(
    outages: Iterable[Outage], by_host: AbstractSet[str], frame_us: int
) -> float:
    """Return the mean duration of the outages that have ended [s]; 0 if there is none."""
    times_s = [t for o in outages if (t := _duration_s(o, by_host, frame_us)) is not None]
    return fmean(times_s) if times_s else 0.0


def node_outages(
    outages: Sequence[Outage],
    nodes: Sequence[str],
    by_host: AbstractSet[str],
    frame_us: int,
    *,
    frames: int,
    wall_us: int,
) -> list[NodeOutages]:
    """Return the outages by node, of those that have any. The run has taken `frames`, skipped ones
    included, and `wall_us` of real time so far."""
    out = []
    for node in nodes:
        own = [o for o in outages if o.node == node]
        if not own:
            continue
        ended = [t for o in own if (t := _duration_s(o, by_host, frame_us)) is not None]
        away = len(ended) < len(own)
        real = node in by_host
        total_s = wall_us / 1e6 if real else frames * frame_us / 1e6
        times_s = list(ended)
        if away:
            began_s = own[-1].first_wall_us / 1e6 if real else own[-1].first_frame * frame_us / 1e6
            times_s.append(max(0.0, total_s - began_s))
        out_s = sum(times_s)
        out.append(
            NodeOutages(
                node,
                len(own),
                out_s,
                max(times_s),
                fmean(ended) if ended else None,
                max(0.0, total_s - out_s) / len(own),
                away,
            )
        )
    return out
