"""Verifying frames on which replicas of the voter had different views: each votes again on its
recorded view, and the verdict of the frame must follow from theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from hil.record.reader import Reader
from hil.record.row_values import RecordedReplica, RecordedReply
from hil.record.span_rows import replicas_between
from hil.redundancy.byzantine import combine, decide_alike, splits, splits_outputs
from hil.redundancy.voting import Verdict, unpack, vote_again
from hil.verification.findings import Verification
from hil.verification.value_ballots import ValueBallots

__all__ = ["ReplicaCheck"]

_WINDOW: Final = 4096


class ReplicaCheck:
    """Checks the replicas of a record, frame by frame; differences go to `out`."""

    def __init__(self, out: Verification, reader: Reader) -> None:
        self._out = out
        self._reader = reader
        self._to = 0
        self._rows: defaultdict[int, list[RecordedReplica]] = defaultdict(list)
        self._frames = self._split = self._outputs = 0

    def again(
        self,
        recorded: Verdict,
        values: ValueBallots | None = None,
        replies: Sequence[RecordedReply] = (),
    ) -> Verdict:
        """Return the verdict on a frame, by the votes of its replicas if it has any. `values` votes
        by value, on the rows `replies` of the frame. Frames must come in order. Raises: KernelError
        if a packed verdict is not one."""
        rows = self._fetch(recorded.frame)
        if not rows:
            return vote_again(recorded) if values is None else values.again(recorded, replies)
        if values is not None:
            values.read(recorded, replies)
        alike = decide_alike if values is None else values.decide_alike
        verdicts: dict[int, Verdict] = {}
        for row in rows:
            stored = unpack(row.verdict)
            if values is None:
                again, evidence = vote_again(stored), b""
            else:
                again, evidence = values.of_replica(stored, recorded, row.verdict)
            verdicts[row.node] = again
            what = f"verdict of the voter at node number {row.node}"
            now = (again.record + evidence).hex()
            self._out.compare(recorded.frame, what, row.verdict.hex(), now)
        self._out.compare(
            recorded.frame,
            "frame of the voters",
            {v.frame for v in verdicts.values()},
            {recorded.frame},
        )
        self._frames += 1
        self._split += splits(list(verdicts.values()), alike)
        self._outputs += splits_outputs(list(verdicts.values()), alike)
        verdict = combine(recorded, verdicts, alike)
        if values is not None:
            verdict = values.settle(recorded, verdict)
        return verdict

    def _fetch(self, frame: int) -> Sequence[RecordedReplica]:
        if frame >= self._to:
            self._to = frame + _WINDOW
            self._rows.clear()
            for row in replicas_between(self._reader, frame, self._to - 1):
                self._rows[row.frame].append(row)
        return self._rows.get(frame, ())

    def end(self) -> None:
        """Compare the counts of split voters with the result of a finished run, if it has any."""
        result = self._reader.meta_object("result") or {}
        metrics = result.get("metrics")
        if not isinstance(metrics, dict) or "split_frames" not in metrics:
            if self._frames:
                self._out.differs(None, "`split_frames` of the result", "missing", self._split)
            return
        for name, count in (("split_frames", self._split), ("split_outputs", self._outputs)):
            self._out.compare(None, f"`{name}` of the result", metrics.get(name), count)
        self._out.covered.append(f"{self._frames} frames of voters with different views")
