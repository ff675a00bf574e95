"""Health polls: the health of boards, the state of links and supplies, recorded now and then.

They are carried out between frames, so that no step waits for them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from hil.engine.firmware_flags import FirmwareFlags
from hil.engine.run_controls import RunControls
from hil.rig.calls import Timing

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling
    from hil.rig.power import PowerEvent

__all__ = ["HealthPoll"]

_PATIENCE_US: Final = 250_000
_NOTES_MAX: Final = 20


class HealthPoll:
    """Polls boards, links and supplies of the run of `controls`, and reports what boards measure to
    the plant, if there is one."""

    def __init__(self, controls: RunControls, coupling: PlantCoupling | None) -> None:
        self._controls = controls
        self._by_name = controls.rig.by_name
        self._coupling = coupling
        self._flags = FirmwareFlags()
        self._noted: Counter[str] = Counter()  # notes of supplies, by node

    @property
    def _frame(self) -> int:
        return max(0, self._controls.next_frame - 1)

    def boards(self) -> None:
        """Ask the boards in service for their health, record it, and adjust the rates of their
        lines. In real time a board that is silent stays in service until it counts as lost: it is
        not asked, as frames would wait for it."""
        rig, record, frame = self._controls.rig, self._controls.record, self._frame
        serving = [self._by_name[name] for name in self._controls.recovery.in_service]
        able = [node for node in serving if node.link.connected]
        timing = Timing(rig.requests.timing.retry_us, _PATIENCE_US)
        steps = {
            node.name: node.link.round_trip_us for node in able
        }  # before the request for health changes it
        silent_us = rig.clock.now_us() - _PATIENCE_US
        heard = [n for n in able if not 0 < n.link.unanswered_since_us < silent_us]
        for name, health in rig.health(heard, timing).items():
            node = self._by_name[name]
            clock = node.clock.estimate
            record.health(frame, node.index, health, steps[name], clock)
            for note in self._flags.notes(name, health.throttled, health.uptime_us):
                record.note(frame, note)
            if clock is not None:
                record.clock(frame, name, clock)
            if self._coupling is not None:
                self._coupling.note_health(name, health)
        for node in able:
            rig.rates.adjust_rate(node)
        for node in rig.nodes:
            record.link(frame, node.index, node.link.statistics)
        self.links()

    def links(self) -> None:
        """Record the events of links, consoles and supplies since the last call. A node that its
        supply has switched off is excluded."""
        rig, record = self._controls.rig, self._controls.record
        for power_event in rig.power.take():
            self._controls.record_power(self._frame, power_event)
            self._note_supply(power_event)
            if power_event.cut is not None:  # recovery finds the node silent, and cycles its power
                rig.absent.cut_off(self._by_name[power_event.node], power_event.cut.text)
        for node in rig.nodes:
            if not node.has_news:
                continue
            node.note_signs()
            for event in node.link.status.take_events():
                record.link_event(self._frame, event)
            for note in node.console.take_notes():
                record.note(self._frame, note)

    def _note_supply(self, event: PowerEvent) -> None:
        """Note a failure of a supply, and that it works again. One that fails again and again is
        noted a limited number of times; the table `power` has all."""
        cut = "" if event.cut is None else f"node {event.node}: {event.cut.text}"
        text = event.error or event.note or cut
        if not text or self._noted[event.node] > _NOTES_MAX:
            return
        self._noted[event.node] += 1
        if self._noted[event.node] > _NOTES_MAX:
            text += "; what follows is in the table `power` only"
        self._controls.record.note(self._frame, text)
