"""What happens in a run, as messages of the logger `hil.engine.run_log`, for who uses hil as a
library: `logging.basicConfig(level=logging.INFO)` before the run is made is enough to follow it.

The command line has its own displays and sets no handler up, so that nothing is logged there."""

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
    """Return the observer that logs, if a handler was set up for it: without one, a run is spared
    the cost, and Python would write warnings to stderr."""
    return (RunLog(),) if _LOG.hasHandlers() and _LOG.isEnabledFor(logging.WARNING) else ()


class RunLog(RunObserver):
    """Logs events. A warning is what needs a look: an isolated node, a repair that failed, a
    symptom that no upset explains, a frame that was late. Other transitions and repairs are of the
    level INFO, upsets of the level DEBUG."""

    def on_event(self, event: RunEvent) -> None:
        """Log it, in the words of the record."""
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
            who = f"node {event.node}" if event.node else "all nodes"
            late_ms = event.late_us / 1000
            _LOG.warning(
                "frame %d: %s: %s, late by %.1f ms", event.frame, who, event.detail, late_ms
            )
