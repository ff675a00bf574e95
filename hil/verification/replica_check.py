"""Verifying frames on which replicas of the voter had different views: each votes again on its
recorded view, and the verdict of the frame must follow from theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from hil.record.reader import Reader
from hil.record.row_values import RecordedReplica
from hil.record.span_rows import replicas_between
from hil.redundancy.byzantine import combine, decision_of, splits_outputs
from hil.redundancy.voting import Verdict, unpack, vote_again
from hil.verification.findings import Verification

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

    def again(self, recorded: Verdict) -> Verdict:
        """Return the verdict on a frame, by the votes of its replicas if it has any. Frames must
        come in order. Raises: KernelError if a packed verdict is not one."""
        rows = self._fetch(recorded.frame)
        if not rows:
            return vote_again(recorded)
        verdicts: dict[int, Verdict] = {}
        for row in rows:
            stored = unpack(row.verdict)
            again = verdicts[row.node] = vote_again(stored)
            what = f"verdict of the voter at node number {row.node}"
            self._out.compare(recorded.frame, what, row.verdict.hex(), again.record.hex())
        self._out.compare(
            recorded.frame,
            "frame of the voters",
            {v.frame for v in verdicts.values()},
            {recorded.frame},
        )
        self._frames += 1
        self._split += len({decision_of(verdict) for verdict in verdicts.values()}) > 1
        self._outputs += splits_outputs(list(verdicts.values()))
        return combine(recorded, verdicts)

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
