"""The figures of what went to the ground: how much, how late, how fresh, and what was dropped."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hil.record.offload_rows import OffloadRows, RecordedItemEvent
from hil.wire.ground import ItemFate, ItemKind

__all__ = ["FlowFigures", "OffloadFigures", "offload_figures", "waiting_bytes"]


@dataclass(frozen=True, slots=True)
class FlowFigures:
    """The figures of one kind of item. Latencies [s] are those of items that have come down, from
    the end of their frame on; `bytes_down` is their volume."""

    items: int
    delivered: int
    bytes_down: int
    dropped: int
    bytes_dropped: int
    waiting: int
    bytes_waiting: int
    median_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class OffloadFigures:
    """The figures of a run. `oldest_s`: how old the newest result on the ground was at worst,
    until `end_us`; `answered`: frames that the ground computed and whose answer came up, `rescued`:
    those of them that had no correct output on board; `answer_s`: median and longest time until the
    answer; `wrong`: wrong results that came down; `reseeds`: states that came up."""

    contact_s: float
    contacts: int
    capacity_bytes: int
    flows: Mapping[str, FlowFigures]
    oldest_s: float
    answered: int
    rescued: int
    answer_s: tuple[float, float]
    wrong: int
    reseeds: int

    @property
    def delivered_bytes(self) -> int:
        """Return all bytes that have come down."""
        return sum(flow.bytes_down for flow in self.flows.values())

    def metrics(self) -> dict[str, float]:
        """Return the metrics for `expect:`, by their names after `offload.`."""
        flows = self.flows.values()
        results = self.flows.get(ItemKind.RESULT)
        return {
            "contact_s": self.contact_s,
            "contacts": self.contacts,
            "capacity_bytes": self.capacity_bytes,
            "items": sum(f.items for f in flows),
            "delivered": sum(f.delivered for f in flows),
            "delivered_bytes": self.delivered_bytes,
            "dropped": sum(f.dropped for f in flows),
            "dropped_bytes": sum(f.bytes_dropped for f in flows),
            "waiting": sum(f.waiting for f in flows),
            "waiting_bytes": sum(f.bytes_waiting for f in flows),
            "results": 0 if results is None else results.delivered,
            "latency_s": 0.0 if results is None else results.median_s,
            "latency_max_s": 0.0 if results is None else results.max_s,
            "oldest_s": self.oldest_s,
            "answered": self.answered,
            "rescued": self.rescued,
            "answer_s": self.answer_s[0],
            "answer_max_s": self.answer_s[1],
            "wrong": self.wrong,
            "reseeds": self.reseeds,
        }


def offload_figures(rows: OffloadRows, end_us: int) -> OffloadFigures:
    """Return the figures of a run that ends at `end_us`."""
    contacts = [c for c in rows.contacts if c.start_us < end_us]
    times = [min(c.end_us, end_us) - c.start_us for c in contacts]
    begun = sum(
        1
        for before, c in zip([None, *contacts], contacts, strict=False)
        if before is None or (before.end_us, before.station) != (c.start_us, c.station)
    )
    bits = sum(t * c.down_bit_s for t, c in zip(times, contacts, strict=True))
    down = {e.item: e for e in rows.events if e.fate == ItemFate.DELIVERED}
    up = {e.item: e for e in rows.events if e.fate == ItemFate.ANSWERED}
    fates = {e.item: e.fate for e in rows.events if e.fate != ItemFate.ANSWERED}
    work = [i for i in rows.items if i.kind == ItemKind.WORK and i.id in up]
    answer_s = [(up[i.id].at_us - i.at_us) / 1e6 for i in work]
    return OffloadFigures(
        contact_s=sum(times) / 1e6,
        contacts=begun,
        capacity_bytes=bits // 8_000_000,
        flows={
            kind: _flow(rows, kind, fates, down)
            for kind, _ in sorted(Counter(i.kind for i in rows.items).items())
        },
        oldest_s=_oldest_s(rows, down, end_us),
        answered=len(work),
        rescued=sum(not i.correct for i in work),
        answer_s=(statistics.median(answer_s), max(answer_s)) if answer_s else (0.0, 0.0),
        wrong=sum(i.kind == ItemKind.RESULT and not i.correct for i in rows.items if i.id in down),
        reseeds=sum(i.kind == ItemKind.RESEED for i in rows.items if i.id in up),
    )


def waiting_bytes(rows: OffloadRows) -> list[tuple[int, int]]:
    """Return how many bytes wait on board from each time on, at which that changes [us, byte]."""
    sizes = {item.id: len(item.data) for item in rows.items}
    changes = Counter[int]()
    for item in rows.items:
        changes[item.at_us] += sizes[item.id]
    for event in rows.events:
        if event.fate != ItemFate.ANSWERED:
            changes[event.at_us] -= sizes.get(event.item, 0)
    out, waiting = [(0, 0)], 0
    for at_us in sorted(changes):
        waiting += changes[at_us]
        out.append((at_us, waiting))
    return out


def _flow(
    rows: OffloadRows, kind: str, fates: Mapping[int, str], down: Mapping[int, RecordedItemEvent]
) -> FlowFigures:
    items = [i for i in rows.items if i.kind == kind]
    delivered = [i for i in items if i.id in down]
    waiting = [i for i in items if i.id not in fates]
    dropped = [i for i in items if fates.get(i.id) in (ItemFate.TOO_OLD, ItemFate.NO_ROOM)]
    latencies_s = [(down[i.id].at_us - i.at_us) / 1e6 for i in delivered]
    return FlowFigures(
        items=len(items),
        delivered=len(delivered),
        bytes_down=sum(len(i.data) for i in delivered),
        dropped=len(dropped),
        bytes_dropped=sum(len(i.data) for i in dropped),
        waiting=len(waiting),
        bytes_waiting=sum(len(i.data) for i in waiting),
        median_s=statistics.median(latencies_s) if latencies_s else 0.0,
        max_s=max(latencies_s, default=0.0),
    )


def _oldest_s(rows: OffloadRows, down: Mapping[int, RecordedItemEvent], end_us: int) -> float:
    """Return how old the newest result on the ground was at worst [s]: just before each that made
    it newer, and at the end. Before the first one, its age is the time since the start."""
    arrivals = sorted(
        (down[i.id].at_us, i.at_us)
        for i in rows.items
        if i.kind == ItemKind.RESULT and i.id in down
    )
    newest = worst = 0
    for at_us, made_us in arrivals:
        if made_us > newest:
            worst, newest = max(worst, at_us - newest), made_us
    return max(worst, end_us - newest) / 1e6
