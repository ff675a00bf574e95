"""Logs the events of a run to the logger `hil.engine.run_log`, for programs that use hil as a
library: call `logging.basicConfig(level=logging.INFO)` before the run is created.

The command line has its own displays and sets up no handler, so that nothing is logged there."""

from __future__ import annotations

import logging
from typing import Final

from hil.engine.observers import NodeRepair, RunEvent, RunObserver, TimeSlip
from hil.redundancy.recovery import NodeState, Transition
from hil.upsets.outcome import Anomaly
from hil.upsets.upset import Upset

__all__ = ["RunLog", "logs_wanted"]

_LOG: Final = logging.getLogger(__name__)


def logs_wanted() -> tuple[RunObserver, ...]:
    """Return the observer that logs, if a handler is set up. Without one it would only cost time,
    and Python would write its warnings to stderr."""
    return (RunLog(),) if _LOG.hasHandlers() and _LOG.isEnabledFor(logging.WARNING) else ()


class RunLog(RunObserver):
    """Logs events. An isolated node, a failed repair, an anomaly and a late frame are warnings;
    other transitions and repairs have the level INFO, upsets the level DEBUG."""

    def on_event(self, event: RunEvent) -> None:
        """Log an event, with the words of the record."""
        if isinstance(event, Upset):
            _LOG.debug(
                "frame %d: node %s: upset %d, %s %s: %s",
                event.plan.frame,
                event.plan.node,
                event.plan.id,
                event.plan.target,
                event.plan.kind,
                event.assessment.outcome or event.state,
            )
        elif isinstance(event, Transition):
            _LOG.log(
                logging.WARNING if event.after is NodeState.ISOLATED else logging.INFO,
                "frame %d: node %s: %s -> %s: %s",
                event.frame,
                event.node,
                event.before.value,
                event.after.value,
                event.cause,
            )
        elif isinstance(event, NodeRepair):
            attempt = event.attempt
            level = logging.INFO if attempt.ok else logging.WARNING
            result = "done" if attempt.ok else f"failed: {attempt.detail}"
            repair = (event.node, attempt.action, attempt.cause, result)
            _LOG.log(level, "frame %d: node %s: %s (%s) %s", event.frame, *repair)
        elif isinstance(event, Anomaly):
            symptom = (event.node, event.effect, event.reason)
            _LOG.warning("frame %d: node %s: %s, explained by no upset: %s", event.frame, *symptom)
        elif isinstance(event, TimeSlip):
            who = f"node {event.node}: " if event.node else ""
            late = f" ({event.late_us / 1000:.1f} ms)" if event.late_us else ""
            _LOG.warning("frame %d: %s%s%s", event.frame, who, event.detail, late)
