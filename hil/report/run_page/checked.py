"""Puts into the page of a run what it needs to judge the results of a doer again: the bounds of its
checkers, and the outputs of all frames in which they are compared.

The record has the outputs of frames in which a node was not as in the fault-free run. Those of all
other frames are computed again from the seed; an output is taken only if its digest is the recorded
one. Checkers with one digest have one output."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import HilError
from hil.json_values import JsonObject
from hil.kernel import Golden
from hil.record.output_rows import outputs_of_frames
from hil.record.reader import Reader
from hil.record.recorded_scenario import RecordedScenario
from hil.redundancy.checked_vote import DOER, CheckedVoter, checked_voter
from hil.redundancy.voting import Ballot, NodeStatus, unpack
from hil.scenario import Scenario
from hil.scenario.checkers import Refused

__all__ = ["JudgedOutputs", "checked_of"]

_PACKED_MAX: Final = 1 << 20
"""[byte] Of compressed outputs a page takes no more."""
_RAW_MAX: Final = 24 << 20
"""[byte] Of outputs as a browser unpacks them."""
_WINDOW: Final = 4096
_HEAD_LEN: Final = 5
_WHOLE: Final = (1 << 32) - 1

Bytes: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class JudgedOutputs:
    """The voter, and outputs: of each frame in `heads` those of the nodes in its mask, the doer's
    in `full`, those of checkers in `reduced`. The page can vote on the first `until` frames, up to
    one whose outputs would make it `too_large`, or are not known."""

    voter: CheckedVoter
    heads: Bytes
    full: Bytes
    reduced: Bytes
    until: int
    too_large: bool

    @property
    def frames(self) -> npt.NDArray[np.int64]:
        """Return the numbers of the frames with outputs."""
        numbers = np.ascontiguousarray(self.heads[:, :4]).view("<u4").ravel()
        return numbers.astype(np.int64)

    def data(self) -> JsonObject:
        """Return what the page gets: heads and outputs in planes."""
        config = self.voter.config
        return {
            "bounds": base64.b64encode(self.voter.packed_bounds).decode("ascii"),
            "lengths": list(self.voter.lengths),
            "votes": config.needed_votes,
            "after_frames": min(config.after_frames, _WHOLE),
            "delivers_reduced": config.refused is Refused.REDUCED,
            "frames": len(self.heads),
            "rows": [len(self.full), len(self.reduced)],
            "until": self.until,
            "heads": _text(self.heads),
            "outputs": [_text(self.full), _text(self.reduced)],
        }


def checked_of(reader: Reader, recorded: RecordedScenario, frames: Bytes) -> JudgedOutputs | str:
    """Return what the page needs to judge the results of the doer of a run with these packed
    `frames`, or why it cannot. Raises: RecordError if the record cannot be read."""
    try:
        scenario = recorded.validated()
        golden = _golden_of(scenario)
        voter = checked_voter(scenario, golden[DOER].workload.output_len)
    except (HilError, ValueError):
        voter = None
    if voter is None:
        return "This hil cannot read the bounds by which the checkers of this run judge its doer."
    heads, rows, until, too_large = bytearray(), (bytearray(), bytearray()), len(frames), False
    looked_at = _PACKED_MAX
    for frame, outputs in _outputs(reader, voter, golden, frames):
        raw = len(rows[0]) + len(rows[1])
        is_full = raw > _RAW_MAX
        if raw > 2 * looked_at:  # more would be computed in vain
            looked_at, tables = raw, _tables(rows, voter.lengths)
            is_full = is_full or sum(len(_planes(table)) for table in tables) > _PACKED_MAX
        if outputs is None or is_full:
            until, too_large = frame, is_full
            break
        heads += frame.to_bytes(4, "little") + bytes((sum(1 << node for node in outputs),))
        for node, output in sorted(outputs.items()):
            rows[node != DOER].extend(output)
    if not until:
        return "The outputs of this run are not in its record, and this hil computes other ones."
    full, reduced = _tables(rows, voter.lengths)
    return _fitting(JudgedOutputs(voter, _table(heads, _HEAD_LEN), full, reduced, until, too_large))


def _golden_of(scenario: Scenario) -> tuple[Golden, Golden]:
    """Return the fault-free runs of doer and checkers. Raises: KernelError for an unknown workload;
    ValueError without checkers."""
    if scenario.rig.checkers is None:
        raise ValueError("no checkers")
    names = (scenario.workload_name, scenario.rig.checkers.workload)
    full, reduced = (Golden(name, scenario.seed) for name in names)
    return full, reduced


def _tables(rows: Sequence[bytearray], lengths: Sequence[int]) -> list[Bytes]:
    return [_table(row, length) for row, length in zip(rows, lengths, strict=True)]


def _table(content: bytearray, length: int) -> Bytes:
    return np.frombuffer(bytes(content), np.uint8).reshape(-1, length)


def _outputs(
    reader: Reader, voter: CheckedVoter, golden: Sequence[Golden], frames: Bytes
) -> Iterator[tuple[int, dict[int, bytes] | None]]:
    """Yield of each frame in which bounds are judged one output for each digest of a doer or of
    checkers, by the index of a node; None if one is neither in the record nor that of the golden
    run."""
    for first in range(0, len(frames), _WINDOW):
        wanted: dict[int, tuple[Ballot, ...]] = {}
        known: dict[int, dict[int, bytes]] = {}
        missing: list[int] = []
        for frame in range(first, min(first + _WINDOW, len(frames))):
            for own in golden:
                own.step()
            ballots = unpack(frames[frame].tobytes()).ballots
            if frame < voter.config.after_frames or not _is_judged(ballots):
                continue
            wanted[frame] = ballots
            known[frame] = _golden_outputs(ballots, golden)
            if len(known[frame]) < sum(b.status == NodeStatus.DONE for b in ballots):
                missing.append(frame)
        in_record = {frame: rows for frame, rows, _ in outputs_of_frames(reader, missing)}
        for frame, ballots in wanted.items():
            rows = in_record.get(frame, {})
            heard = {i for i, b in enumerate(ballots) if b.status == NodeStatus.DONE}
            whole = {
                node: output
                for node, output in rows.items()
                if node in heard and len(output) == voter.lengths[node != DOER]
            }
            outputs = {**known[frame], **whole}
            if heard - {*outputs, *rows}:
                yield frame, None
            else:
                yield frame, _distinct(outputs, ballots)


def _is_judged(ballots: Sequence[Ballot]) -> bool:
    """Return whether the doer and a checker answered."""
    done = [ballot.status == NodeStatus.DONE for ballot in ballots]
    return done[DOER] and any(done[DOER + 1 :])


def _golden_outputs(ballots: Sequence[Ballot], golden: Sequence[Golden]) -> dict[int, bytes]:
    """Return the outputs of the nodes that answered as in the golden run."""
    results = [(own.output_digest, own.output) for own in golden]
    out = {}
    for node, ballot in enumerate(ballots):
        digest, output = results[node != DOER]
        if ballot.status == NodeStatus.DONE and ballot.output_digest == digest:
            out[node] = output
    return out


def _distinct(outputs: dict[int, bytes], ballots: Sequence[Ballot]) -> dict[int, bytes]:
    """Return the output of the doer, and of checkers with one digest the first one."""
    seen: set[int] = set()
    out = {}
    for node, output in sorted(outputs.items()):
        digest = ballots[node].output_digest
        if node == DOER or digest not in seen:
            out[node] = output
        if node != DOER:
            seen.add(digest)
    return out


def _fitting(checked: JudgedOutputs) -> JudgedOutputs:
    """Return those of the first frames that fit into a page."""
    while (size := len(_planes(checked.full)) + len(_planes(checked.reduced))) > _PACKED_MAX:
        kept = int(len(checked.heads) * 0.95 * _PACKED_MAX / size)
        until, heads = int(checked.frames[kept]), checked.heads[:kept]
        nodes = np.unpackbits(heads[:, 4:5], axis=1, bitorder="little")
        full, reduced = int(nodes[:, DOER].sum()), int(nodes[:, DOER + 1 :].sum())
        checked = replace(
            checked,
            heads=heads,
            full=checked.full[:full],
            reduced=checked.reduced[:reduced],
            until=until,
            too_large=True,
        )
    return checked


def _planes(rows: Bytes) -> bytes:
    return zlib.compress(np.ascontiguousarray(rows.T).tobytes(), 9)


def _text(rows: Bytes) -> str:
    return base64.b64encode(_planes(rows)).decode("ascii")
