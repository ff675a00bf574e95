"""The rows of the tables that have many columns, made of the values that the run hands over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from hil.record.digest import hex64
from hil.redundancy.voting import NodeStatus, Verdict, VerdictKind

if TYPE_CHECKING:  # value types only: a reader of records must not load what makes them
    from hil.rig.link import LinkStatistics
    from hil.rig.node import NodeResult
    from hil.rig.power.monitor import PowerEvent
    from hil.upsets.upset import Upset
    from hil.wire.messages import Health

__all__ = [
    "board_integer",
    "frame_row",
    "health_columns",
    "link_columns",
    "power_event_text",
    "reply_rows",
    "upset_row",
]

_KIND_NAMES: Final = {kind: kind.word for kind in VerdictKind}
_STATUS_NAMES: Final = {int(status): status.word for status in NodeStatus}
_INTEGER_MAX: Final = 2**63 - 1


def board_integer(value: int) -> int:
    """Clamp a number of a board to what the record can hold: a damaged board may count with all
    64 bits."""
    return max(-_INTEGER_MAX, min(value, _INTEGER_MAX))


def frame_row(
    verdict: Verdict, t_us: int, golden: tuple[int, int], value: bytes | None
) -> tuple[Any, ...]:
    """Return the row of `frames` for a verdict; `golden` has the fault-free digests of output and
    state, `value` is the output that left the system."""
    return (
        verdict.frame,
        t_us,
        _KIND_NAMES[verdict.kind],
        verdict.voters,
        verdict.agree,
        verdict.dissent,
        verdict.latent,
        verdict.flags,
        hex64(verdict.output),
        hex64(verdict.state),
        hex64(golden[0]),
        hex64(golden[1]),
        value,
    )


def reply_rows(frame: int, executions: Sequence[Sequence[NodeResult]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `replies`: one per execution of the frame and node, in that order."""
    for execution, results in enumerate(executions):
        for node, r in enumerate(results):
            yield (
                frame,
                node,
                execution,
                _STATUS_NAMES[r.status],
                r.signal,
                r.reason,
                hex64(r.output_digest),
                hex64(r.state_digest),
                r.output,
                r.ticks,
                r.cpu_us,
            )


def upset_row(u: Upset) -> tuple[Any, ...]:
    """Return the row of `upsets` as the upset is now."""
    p, r, a = u.plan, u.report, u.assessment
    return (
        p.id,
        p.frame,
        p.node,
        p.target,
        p.kind,
        p.source,
        r.state,
        r.detail,
        r.verified,
        r.changed,
        r.persisted,
        p.tick,
        p.steps,
        p.us,
        r.tick,
        r.steps,
        r.at_us,
        r.pc_offset,
        r.bit,
        r.space,
        r.before,
        r.after,
        a.effect,
        a.signal,
        a.outcome,
        a.shared,
        a.dormant,
        a.detected_frame,
        a.resolved_frame,
        r.activation,
    )


def health_columns(h: Health) -> tuple[Any, ...]:
    """Return the columns of `health` from cpu_temp_mc to rails."""
    return (
        h.cpu_temp_mc,
        h.clock_khz,
        h.throttled,
        h.rss_kib,
        h.free_mib,
        board_integer(h.uptime_us),
        h.steps,
        h.crashes,
        h.hangs,
        h.restarts,
        board_integer(h.corrected),
        board_integer(h.uncorrected),
        board_integer(h.rx_errors),
        board_integer(h.duplicates),
        json.dumps([[r.name, r.mv, r.ma] for r in h.rails]),
    )


def link_columns(s: LinkStatistics) -> tuple[int, ...]:
    """Return the counters that `links` and `link_counts` share."""
    return (
        s.tx_frames,
        s.tx_bytes,
        s.rx_frames,
        s.rx_bytes,
        s.rx_errors,
        s.naks,
        s.retries,
        s.stale,
        s.reconnects,
        s.chatter_bytes,
    )


def power_event_text(e: PowerEvent) -> str:
    """Return what a bench supply did, or how it failed; empty for a plain reading."""
    if e.cut is None:
        return e.error or e.note
    if e.cut.micro:
        return f"cut: it drew {e.cut.amps:g} A, a micro-latch-up is {e.cut.limit_a:g} A"
    return f"cut: it drew {e.cut.amps:g} A, its limit is {e.cut.limit_a:g} A"
