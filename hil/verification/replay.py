"""Replay: votes a recorded run again, from its ballots, and compares everything that follows.

Pure on the record: no boards. `verify` says whether the record still says what happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from pydantic import ValidationError

from hil.errors import KernelError, RecordError
from hil.kernel import Golden, digest64
from hil.record.digest import hex64
from hil.record.reader import Reader
from hil.record.row_counts import (
    packed_frames,
)
from hil.record.row_values import RecordedFrame, RecordedReply
from hil.record.span_rows import frames_between, replies_between, rows_from
from hil.redundancy.pairs import identical
from hil.redundancy.schemes import scheme_of
from hil.redundancy.voting import (
    NodeStatus,
    Verdict,
    VerdictKind,
    record_length,
    unpack,
)
from hil.scenario import Scenario
from hil.verification.checked_ballots import CheckedBallots, checked_ballots
from hil.verification.delivery import DeliveryCheck, executions_of
from hil.verification.ending import (
    NONSENSE,
    SEALED_SINCE,
    verify_end,
    verify_seal,
    verify_unfinished,
)
from hil.verification.findings import Difference, Verification
from hil.verification.golden_run import golden_of
from hil.verification.ground import verify_ground
from hil.verification.primary_check import PrimaryCheck
from hil.verification.replica_check import ReplicaCheck
from hil.verification.tally import tally
from hil.verification.value_ballots import ValueBallots, value_ballots

__all__ = ["Difference", "Verification", "verify"]

_VERDICT_AT: Final = 8  # bytes of a packed frame (hil.record.schema)
_VOTERS_AT: Final = 10
_FLAGS_AT: Final = 11
_POPCOUNT: Final = np.array([n.bit_count() for n in range(256)])
_PLAIN: Final = frozenset({VerdictKind.UNANIMOUS, VerdictKind.SIMPLEX})


# --- verifying ------------------------------------------------------------------------------------


def verify(reader: Reader, on_progress: Callable[[int, int], None] | None = None) -> Verification:
    """Vote every recorded frame again, compute the golden run again, and compare everything. Of a
    finished run also its end (`ending`). `on_progress` gets the number of frames done, and of all.

    Raises: RecordError if the database itself cannot be read; contents that make no sense are
    differences."""
    out = Verification(complete=reader.is_complete, outcome=reader.meta.get("outcome", "unknown"))
    rows = _Rows(reader)
    scenario = _scenario(out, reader)
    golden = None if scenario is None else golden_of(out, scenario, reader.path.parent)
    try:
        checks = _Checks(golden, ReplicaCheck(out, reader))
        if scenario is not None:
            if golden is not None and (checked := checked_ballots(scenario, golden)) is not None:
                checks = checks._replace(checked=checked)
            ballots = value_ballots(scenario, reader, golden)
            alike = identical if ballots is None else ballots.are_alike
            delivery = DeliveryCheck(out, scenario, alike)
            checks = checks._replace(values=ballots, delivery=delivery)
            if (voter := scheme_of(scenario).primary) is not None:
                checks = checks._replace(primary=PrimaryCheck(out, reader, voter))
        _all_frames(out, reader, rows, checks, on_progress)
        if scenario is not None:
            verify_ground(out, reader, scenario, golden)
        out.run_digest = reader.run_digest()
        if out.complete:
            checks.replicas.end()
            if checks.primary is not None:
                checks.primary.end()
            if checks.checked is not None:
                checks.checked.end(out, reader)
            verify_end(out, reader, scenario, tally(reader))
    except NONSENSE as error:
        out.differs(None, "record", "one that makes sense", f"nonsense ({error})")
    if out.complete:
        verify_seal(out, reader)
    else:
        verify_unfinished(out, reader)
        out.not_covered.append(
            "the run is not finished: it has no result, no reports and no record digest yet, so "
            "that other tables than frames, replies and blocks are not compared with anything"
        )
    return out


class _Checks(NamedTuple):
    """What the frames are compared with; None where it is not known, or does not apply."""

    golden: Golden | None
    replicas: ReplicaCheck
    values: ValueBallots | None = None
    delivery: DeliveryCheck | None = None
    primary: PrimaryCheck | None = None
    checked: CheckedBallots | None = None


def _all_frames(
    out: Verification,
    reader: Reader,
    rows: _Rows,
    checks: _Checks,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    total = packed_frames(reader)
    size = record_length(rows.nodes)
    next_frame = 0
    for first, count, data in reader.blocks():
        out.compare(next_frame, "first frame of the block", first, next_frame)
        out.compare(first, "size of the block in bytes", len(data), count * size)
        for index in range(min(count, len(data) // size)):
            packed = data[index * size : (index + 1) * size]
            try:
                _one_frame(out, rows, first + index, packed, checks)
            except NONSENSE as error:
                out.differs(first + index, "its rows", "readable", f"nonsense ({error})")
            out.frames += 1
        next_frame = first + count
        if on_progress is not None:
            on_progress(out.frames, total)
    # The frame in which an unfinished run was cut off may have its row and not yet its block.
    for frame in rows.left_over(next_frame if out.complete else next_frame + 1):
        out.differs(frame, "row of a frame that is not in the blocks", "there", "not expected")


def _scenario(out: Verification, reader: Reader) -> Scenario | None:
    """Return the recorded scenario; None, with a difference, if it cannot be read."""
    try:
        return reader.scenario.validated()
    except (ValidationError, RecordError) as error:
        if reader.version >= SEALED_SINCE:
            out.differs(None, "scenario", "one that can be run", str(error).splitlines()[0])
        else:
            out.not_covered.append("this hil cannot read the scenario of so old a record")
        return None


def _one_frame(out: Verification, rows: _Rows, number: int, packed: bytes, checks: _Checks) -> None:
    golden, values, delivery = checks.golden, checks.values or checks.checked, checks.delivery
    if golden is not None:
        golden.step()
    try:
        recorded = unpack(packed)
        if checks.primary is not None:
            again = checks.primary.again(recorded)
        elif checks.checked is not None:
            again = checks.checked.again(recorded, rows.replies(number))
        else:
            replies = () if checks.values is None else rows.replies(number)
            again = checks.replicas.again(recorded, checks.values, replies)
    except KernelError as error:
        out.differs(number, "packed frame", packed[:16].hex() + "..", f"nonsense ({error.message})")
        return
    out.compare(number, "frame number", recorded.frame, number)
    if again.record != packed:
        _name_difference(out, number, recorded, again, rows.names)
    row = rows.frame(number)
    if row is not None:
        out.notable += 1
        _notable(out, rows, row, recorded, by_value=values is not None)
    elif _needs_row(recorded) or (values is not None and values.needs_rows(recorded)):
        out.differs(number, "its row in `frames`", "missing", recorded.kind.word)
    if golden is not None:
        right = recorded.delivered and recorded.output == golden.output_digest
        right = right if values is None else again.correct
        _against_golden(out, number, recorded, row, golden, right=right)
    if delivery is not None:
        executions = [] if row is None else executions_of(rows.replies(number))
        delivery.frame(recorded, None if row is None else row.value, executions)


def _needs_row(v: Verdict) -> bool:
    return v.kind not in _PLAIN or bool(v.dissent or v.latent) or not v.correct


def _against_golden(
    out: Verification,
    number: int,
    recorded: Verdict,
    row: RecordedFrame | None,
    golden: Golden,
    *,
    right: bool,
) -> None:
    out.compare(number, "output is that of the golden run", recorded.correct, right)
    if row is not None:
        for what, stored, now in (
            ("golden_output", row.golden_output, golden.output_digest),
            ("golden_state", row.golden_state, golden.state_digest),
        ):
            out.compare(number, f"`{what}` of its row in `frames`", stored, hex64(now))


def _name_difference(
    out: Verification, number: int, recorded: Verdict, again: Verdict, names: list[str]
) -> None:
    pairs: list[tuple[str, object, object]] = [
        ("verdict", recorded.kind.word, again.kind.word),
        ("voters", _mask(recorded.voters, names), _mask(again.voters, names)),
        ("node that commands", _name(recorded.primary, names), _name(again.primary, names)),
        ("agreeing nodes", _mask(recorded.agree, names), _mask(again.agree, names)),
        ("dissenting nodes", _mask(recorded.dissent, names), _mask(again.dissent, names)),
        ("latent nodes", _mask(recorded.latent, names), _mask(again.latent, names)),
        ("agreed output digest", hex64(recorded.output), hex64(again.output)),
        ("agreed state digest", hex64(recorded.state), hex64(again.state)),
        ("flags", recorded.flags, again.flags),
    ]
    for what, old, new in pairs:
        if old != new:
            out.differs(number, what, old, new)
            return
    out.differs(number, "packed frame", recorded.record.hex(), again.record.hex())


def _name(node: int | None, names: list[str]) -> str:
    return "none" if node is None else names[node]


def _mask(mask: int, names: list[str]) -> str:
    return " ".join(name for i, name in enumerate(names) if mask >> i & 1) or "none"


def _notable(
    out: Verification, rows: _Rows, row: RecordedFrame, verdict: Verdict, *, by_value: bool
) -> None:
    """Compare the readable rows of a frame with its packed form, and outputs with their digests."""
    k = verdict.frame
    for what, stored, now in (
        ("verdict", row.verdict, verdict.kind.word),
        ("voters", row.voters, verdict.voters),
        ("agree", row.agree, verdict.agree),
        ("dissent", row.dissent, verdict.dissent),
        ("latent", row.latent, verdict.latent),
        ("flags", row.flags, verdict.flags),
        ("output", row.output, hex64(verdict.output)),
        ("state", row.state, hex64(verdict.state)),
        ("t_us", row.t_us, rows.t_us(k)),
    ):
        out.compare(k, f"`{what}` of its row in `frames`", stored, now)
    if verdict.delivered and not by_value:  # by value, several outputs are right
        right = hex64(verdict.output) == row.golden_output
        out.compare(k, "output is the golden one", verdict.correct, right)
    if row.value and not verdict.held:
        out.outputs += 1
        now = hex64(digest64(row.value))
        out.compare(k, "digest of the delivered output", hex64(verdict.output), now)
    if verdict.delivered and not row.value:
        out.differs(k, "the output that left the system", "missing in `frames`", "there")
    replies = rows.replies(k)
    last = max((r.execution for r in replies), default=-1)
    if [r.node for r in replies if r.execution == last] != list(range(rows.nodes)):
        out.differs(k, "rows in `replies`", len(replies), f"one for each of {rows.nodes} nodes")
    for r in replies:
        if r.execution == last and 0 <= r.node < rows.nodes:
            _same_ballot(out, rows, k, r, verdict)
        if r.status == NodeStatus.DONE.word and r.output:
            out.outputs += 1
            now = hex64(digest64(r.output))
            name = rows.name(r.node)
            out.compare(k, f"digest of the output of node {name}", r.output_digest, now)


def _same_ballot(
    out: Verification, rows: _Rows, frame: int, reply: RecordedReply, verdict: Verdict
) -> None:
    ballot = verdict.ballots[reply.node]
    name = rows.name(reply.node)
    for what, stored, now in (
        ("status", reply.status, NodeStatus(ballot.status).word),
        ("signal", reply.signal, ballot.signal),
        ("output_digest", reply.output_digest, hex64(ballot.output_digest)),
        ("state_digest", reply.state_digest, hex64(ballot.state_digest)),
    ):
        out.compare(frame, f"`{what}` of node {name} in `replies`", stored, now)


class _Rows:
    """Rows of `frames` and `replies`, fetched a window of frames at a time."""

    _WINDOW: Final = 4096

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.names = reader.node_names
        self.nodes = len(self.names)
        self.t_us = reader.t_us
        self._from = self._to = 0
        self._frames: dict[int, RecordedFrame] = {}
        self._replies: defaultdict[int, list[RecordedReply]] = defaultdict(list)

    def name(self, index: int) -> str:
        return self.names[index] if 0 <= index < self.nodes else f"number {index}"

    def _fetch(self, frame: int) -> None:
        if self._from <= frame < self._to:
            return
        self._from, self._to = frame, frame + self._WINDOW
        span = (frame, frame + self._WINDOW - 1)
        self._frames = {row.frame: row for row in frames_between(self._reader, *span)}
        self._replies.clear()
        for reply in replies_between(self._reader, *span):
            self._replies[reply.frame].append(reply)

    def frame(self, number: int) -> RecordedFrame | None:
        self._fetch(number)
        return self._frames.get(number)

    def replies(self, number: int) -> list[RecordedReply]:
        self._fetch(number)
        return self._replies[number]

    def left_over(self, end: int) -> list[int]:
        """Return the frames with rows, but behind the last packed one."""
        return rows_from(self._reader, end)
