"""Verifying what went to the ground: the recorded items are sent again over the recorded contacts,
their bytes are compared with the frames, and the contacts with those of the orbit."""

from __future__ import annotations

from typing import Final

from hil.errors import ConfigError
from hil.kernel import Golden, digest64
from hil.plant.ground import scenario_contacts
from hil.plant.ground_link import GroundItem, GroundLink
from hil.plant.store_and_forward import ItemEvent, QueuedItem
from hil.record.digest import hex64
from hil.record.offload_rows import OffloadRows, RecordedItem, offload_rows
from hil.record.packed_frames import PackedFrames
from hil.record.queries import golden_digests
from hil.record.reader import Reader
from hil.redundancy.voting import Verdict
from hil.scenario import Scenario
from hil.verification.findings import Verification
from hil.wire.ground import Contact, ItemKind

__all__ = ["verify_ground"]

_TIME_US: Final = 100_000
_RATE: Final = 0.001
"""How far contacts may be off on another computer, whose last digits differ: [us], and the share of
a rate."""


def verify_ground(
    out: Verification, reader: Reader, scenario: Scenario, golden: Golden | None
) -> None:
    """Compare what the record has of the ground with what follows from its scenario, its items and
    its frames. Raises: RecordError if it cannot be read."""
    config = scenario.offload
    if config is None:
        return
    rows = offload_rows(reader)
    _contacts(out, rows, scenario)
    _events(out, reader, rows, scenario)
    frames = PackedFrames(reader, len(reader.node_names))
    for item in rows.items:
        verdict = frames.verdict(item.frame)
        if verdict is None:
            out.differs(item.frame, f"the frame of item {item.id}", "there", "missing")
        else:
            _bytes(out, item, verdict)
            if item.kind == ItemKind.WORK:
                _work(out, reader, item, golden)
    out.covered.append(
        f"{len(rows.items):,} items for the ground were sent again over the recorded contacts, in "
        f"{len(rows.contacts):,} steps of one rate each"
    )


def _contacts(out: Verification, rows: OffloadRows, scenario: Scenario) -> None:
    """Compare the contacts with those that the orbit and the link budget give here."""
    try:
        now = scenario_contacts(scenario)
    except ConfigError as error:
        out.differs(None, "contacts", "those of an orbit", error)
        return
    out.compare(None, "number of contacts", len(rows.contacts), len(now))
    for recorded, again in zip(rows.contacts, now, strict=False):
        if not _near(recorded, again):
            out.differs(None, "contact", recorded, again)


def _near(a: Contact, b: Contact) -> bool:
    times = (a.start_us - b.start_us, a.end_us - b.end_us)
    rates = ((a.down_bit_s, b.down_bit_s), (a.up_bit_s, b.up_bit_s))
    return (
        a.station == b.station
        and all(abs(t) <= _TIME_US for t in times)
        and all(abs(x - y) <= 1 + _RATE * max(x, y) for x, y in rates)
    )


def _events(out: Verification, reader: Reader, rows: OffloadRows, scenario: Scenario) -> None:
    """Send the items again, and compare what becomes of them."""
    assert scenario.offload is not None
    link = GroundLink(rows.contacts, scenario.offload.order, scenario.offload.memory_bytes)
    now: list[ItemEvent] = []
    for item in rows.items:
        queued = QueuedItem(item.id, item.at_us, len(item.data), item.priority, item.expires_us)
        now += link.add(GroundItem(queued, item.answer_size, item.ground_us))
    last_us = max((event.at_us for event in rows.events), default=0)
    now += link.advance(max(last_us, reader.t_us(out.frames)))
    recorded = [(e.at_us, e.item, str(e.fate), e.station) for e in rows.events]
    again = [(e.at_us, e.id, str(e.fate), e.station) for e in now]
    for one in sorted(set(recorded) ^ set(again))[:5]:
        is_recorded = one in recorded
        out.differs(
            None,
            f"item {one[1]} for the ground",
            f"{one[2]} at {one[0] / 1e6:g} s" if is_recorded else "not so",
            "not so" if is_recorded else f"{one[2]} at {one[0] / 1e6:g} s",
        )
    out.compare(None, "number of events of the ground", len(recorded), len(again))


def _bytes(out: Verification, item: RecordedItem, verdict: Verdict) -> None:
    """Compare the bytes of an item with its frame."""
    what = f"item {item.id} for the ground: its {item.kind}"
    if item.kind in (ItemKind.TELEMETRY, ItemKind.RESEED):
        out.compare(item.frame, what, item.data.hex(), verdict.record.hex())
    elif item.kind == ItemKind.RESULT and verdict.values is None:
        out.compare(item.frame, what, digest64(item.data), verdict.output)
    elif item.kind == ItemKind.CHECKPOINT:
        out.compare(item.frame, what, digest64(item.data), verdict.state)
    right = int(verdict.delivered and verdict.correct)
    out.compare(item.frame, f"{what} is right", item.correct, right)


def _work(out: Verification, reader: Reader, item: RecordedItem, golden: Golden | None) -> None:
    """Compare what the ground computed, and from what, with the golden run."""
    what = f"item {item.id} for the ground"
    if golden is not None:
        inputs = golden.input_of(item.frame)
        out.compare(item.frame, f"{what}: its inputs", item.data.hex(), inputs.hex())
    digests = golden_digests(reader, item.frame)
    if digests is not None:
        out.compare(item.frame, f"{what}: its answer", hex64(digest64(item.answer)), digests[0])
