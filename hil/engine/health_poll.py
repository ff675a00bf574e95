"""The check-up: how boards, links and supplies are, asked once in a while and recorded.

Between frames, so that no step waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hil.engine.firmware_flags import FirmwareFlags
from hil.engine.parts import Parts
from hil.engine.recorder import RunRecorder
from hil.rig.calls import Timing

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling

__all__ = ["Checkup"]

_PATIENCE_US: Final = 250_000


class Checkup:
    """Of the run of `parts`."""

    def __init__(self, parts: Parts, recorder: RunRecorder, coupling: PlantCoupling | None) -> None:
        self._parts = parts
        self._recorder = recorder
        self._coupling = coupling
        self._flags = FirmwareFlags()
        self._noted: set[tuple[str, str]] = set()  # failures of supplies, each told once in a run

    @property
    def _frame(self) -> int:
        return max(0, self._parts.golden.next_frame - 1)

    def boards(self) -> None:
        """Ask the boards in service for their health, and see to their lines' rates."""
        parts, record, frame = self._parts, self._recorder.record, self._frame
        serving = [parts.by_name[name] for name in parts.recovery.in_service]
        able = [node for node in serving if node.link.connected]
        timing = Timing(parts.rig.requests.timing.retry_us, _PATIENCE_US)
        steps = {node.name: node.link.round_trip_us for node in able}  # health asks, too
        for name, health in parts.rig.health(able, timing).items():
            node = parts.by_name[name]
            clock = node.clock.estimate
            record.health(frame, node.index, health, steps[name], clock)
            for note in self._flags.notes(name, health.throttled, health.uptime_us):
                record.note(frame, note)
            if clock is not None:
                record.clock(frame, name, clock)
            if self._coupling is not None:
                self._coupling.heard(name, health)
        for node in able:
            parts.rig.rates.adjust_rate(node)
        for node in parts.nodes:
            record.link(frame, node.index, node.link.statistics)
        self.links()

    def links(self) -> None:
        """Take what has become of links and supplies."""
        parts, record = self._parts, self._recorder.record
        for seen in parts.rig.power.take():
            record.power(self._frame, seen)
            if seen.error and (seen.node, seen.error) not in self._noted:
                self._noted.add((seen.node, seen.error))
                record.note(self._frame, seen.error)
            if seen.cut is not None:  # it is dark now: recovery finds it silent, and cycles it
                parts.rig.absent.cut_off(
                    parts.by_name[seen.node], "over-current, cut off by its supply"
                )
        for node in parts.nodes:
            for event in node.link.standing.take_events():
                record.link_event(self._frame, event)
