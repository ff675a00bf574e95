"""Finds the first frame that shows why an expectation failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hil.record.first_rows import (
    first_anomaly,
    first_bad_frame,
    first_frame_not_of_verdict,
    first_frame_of_verdict,
    first_frame_without_output,
    first_held_output,
    first_isolation,
    first_missed_event,
    first_missed_upset,
    first_repair,
    first_slip,
    first_upset_with_activation,
    first_upset_with_effect,
    first_upset_with_outcome,
    first_wrong_output,
)
from hil.record.queries import isolated_though_right
from hil.record.reader import Reader
from hil.record.row_values import RecordedUpset
from hil.redundancy.voting import VerdictKind
from hil.upsets.words import UNKNOWN_WORD
from hil.views.listing import describe, moments, upset_text

__all__ = ["Trouble", "evidence"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault, and its frame."""

    frame: int
    text: str


def evidence(reader: Reader, metric: str) -> Trouble | None:
    """Return the first frame that determines the value of `metric`; None if there is none.

    Raises: RecordError if the record cannot be read."""
    group, _, name = metric.rpartition(".")
    find = _OF_METRIC.get(metric)
    if find is not None:
        return find(reader)
    if group == "verdicts":
        if name == VerdictKind.UNANIMOUS.word:
            return _frame(reader, first_frame_not_of_verdict(reader, name))
        return _frame(reader, first_frame_of_verdict(reader, name))
    if group == "by_node_effect":
        return _upset(first_upset_with_effect(reader, "" if name == UNKNOWN_WORD else name))
    if group == "by_system_outcome":
        return _upset(first_upset_with_outcome(reader, name))
    if group == "by_activation":
        activation = "" if name == "unknown" else name
        return _upset(first_upset_with_activation(reader, activation))
    return _upset(first_missed_upset(reader)) if group in ("upsets", "by_target") else None


def _frame(reader: Reader, frame: int | None) -> Trouble | None:
    moment = None if frame is None else next(moments(reader, frame, frame), None)
    return None if moment is None else Trouble(moment.frame, describe(moment))


def _upset(upset: RecordedUpset | None) -> Trouble | None:
    return None if upset is None else Trouble(upset.frame, f"upset {upset_text(upset)}")


def _wrong_output(reader: Reader) -> Trouble | None:
    return _frame(reader, first_wrong_output(reader))


def _no_right_output(reader: Reader) -> Trouble | None:
    return _frame(reader, first_bad_frame(reader))


def _no_output(reader: Reader) -> Trouble | None:
    return _frame(reader, first_frame_without_output(reader))


def _held_output(reader: Reader) -> Trouble | None:
    return _frame(reader, first_held_output(reader))


def _anomaly(reader: Reader) -> Trouble | None:
    a = first_anomaly(reader)
    return None if a is None else Trouble(a.frame, f"{a.node}: {a.effect}, unexplained")


def _missed_event(reader: Reader) -> Trouble | None:
    return _upset(first_missed_event(reader))


def _isolation(reader: Reader) -> Trouble | None:
    edge = first_isolation(reader)
    if edge is None:
        return None
    text = f"{edge.node} was isolated: {edge.cause}"
    if isolated_though_right(reader, edge.frame, edge.node):
        text += "; it was right, and a wrong majority outvoted it"
    return Trouble(edge.frame, text)


def _slip(reader: Reader) -> Trouble | None:
    slip = first_slip(reader)
    if slip is None:
        return None
    node = "" if slip.node is None else f"{slip.node}: "
    return Trouble(slip.frame, f"{node}{slip.detail}")


def _repair(reader: Reader) -> Trouble | None:
    r = first_repair(reader)
    return None if r is None else Trouble(r.frame, f"{r.action} of {r.node}: {r.cause}")


_OF_METRIC: Final[dict[str, Callable[[Reader], Trouble | None]]] = {
    "sdc_frames": _wrong_output,
    "sdc_escaped": _wrong_output,
    "sdc_upsets": _wrong_output,
    "by_system_outcome.sdc_escaped": _wrong_output,
    "availability": _no_right_output,
    "unresolved": _no_output,
    "held_frames": _held_output,
    "unexplained": _anomaly,
    "events.missed": _missed_event,
    "isolated": _isolation,
    "slips": _slip,
    "recoveries": _repair,
}
