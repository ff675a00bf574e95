"""Writes a record like that of a long run with the real recorder, without running anything, to
measure programs that read records.

All frames agree except one in `upset_every`, which comes with its upset, repair and transitions;
health is recorded once a second."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Final

from hil.record.recorded_scenario import RecordedScenario
from hil.record.recorder_protocol import RepairAttempt
from hil.record.row_values import RecordedNode
from hil.record.run_meta import RunMeta
from hil.record.sqlite_recorder import SqliteRecorder
from hil.redundancy.recovery import NodeState, Transition
from hil.redundancy.voting import Ballot, Verdict, vote
from hil.rig.node import DONE, NodeResult
from hil.rig.resync import Damage
from hil.scenario import PatternKind
from hil.upsets.upset import Assessment, InjectionReport, Upset, UpsetPlan
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetState, UpsetTarget
from hil.wire.messages import Health

__all__ = ["FRAMES_PER_S", "write_record"]

FRAMES_PER_S: Final = 10
_STATE: Final = 0x5EED_5EED_5EED_5EED
_OUTPUT: Final = 0x0DD5_0DD5_0DD5_0DD5
_BLOCK: Final = 4096


def _verdict(frame: int, nodes: int, wrong: int | None = None) -> Verdict:
    """Return the verdict on a frame in which all nodes agree but the one with the index `wrong`."""
    ballots = [
        Ballot(DONE, 0, _OUTPUT ^ (index == wrong), _STATE ^ (index == wrong))
        for index in range(nodes)
    ]
    return vote(frame, ballots, (1 << nodes) - 1, _OUTPUT)


def _scenario(frames: int, nodes: int) -> RecordedScenario:
    content = {
        "name": "soak",
        "workload": "attitude",
        "frames": frames,
        "pace": "realtime",
        "frame_ms": 1000 / FRAMES_PER_S,
        "rig": {"scheme": f"{nodes}mr"},
        "upsets": {"accel": 1.0},
    }
    return RecordedScenario.parse(json.dumps(content))


def write_record(
    path: Path, seconds: int, *, nodes: int = 3, upset_every: int = 600, often: bool = False
) -> int:
    """Write the record of `seconds` of a run at 10 frames/s; return the number of its frames.

    In every `upset_every`th frame one node is outvoted (0: never). `often` commits four times a
    second, as a paced run does, which makes the blocks of frames small."""
    names = [chr(ord("a") + index) for index in range(nodes)]
    frames = seconds * FRAMES_PER_S
    recorder = SqliteRecorder.begin(
        path,
        RunMeta(scenario=_scenario(frames, nodes), seed=1, outcome="running"),
    )
    for index, name in enumerate(names):
        recorder.node(RecordedNode(index, name, "process"))
    plain = _verdict(0, nodes).record[8:]
    pack = struct.Struct("<Q").pack
    pending: list[bytes] = []
    for frame in range(frames):
        if upset_every and frame % upset_every == upset_every - 1:
            _outvoted(recorder, frame, names, frame // upset_every)
            pending.append(_verdict(frame, nodes, frame // upset_every % nodes).record)
        else:
            pending.append(pack(frame) + plain)
        if len(pending) == _BLOCK or (often and frame % 5 in (2, 4)):
            recorder.frames(b"".join(pending), len(pending))
            pending.clear()
            if often:
                recorder.commit()
        if frame % FRAMES_PER_S == 0:
            for index in range(nodes):
                recorder.health(frame, index, _health(frame, index), 900 + frame % 200)
    recorder.frames(b"".join(pending), len(pending))
    recorder.meta("outcome", "pass")
    recorder.close()
    return frames


def _outvoted(recorder: SqliteRecorder, frame: int, names: list[str], count: int) -> None:
    """Record the rows of a frame in which upset number `count` made one node's output wrong."""
    wrong = count % len(names)
    name = names[wrong]
    verdict = _verdict(frame, len(names), wrong)
    output = bytes(range(48))
    results = [
        NodeResult(
            DONE,
            0,
            ballot.output_digest,
            ballot.state_digest,
            output if index != wrong else b"\x01" + output[1:],
            14,
            20,
        )
        for index, ballot in enumerate(verdict.ballots)
    ]
    recorder.notable(verdict, frame * 100_000, (_OUTPUT, _STATE), output, [results])
    plan = UpsetPlan(
        frame, name, UpsetTarget.OUTPUT, PatternKind.BIT, "rate", id=count + 1, tick=14
    )
    recorder.upset(
        Upset(
            plan,
            InjectionReport(
                UpsetState.INJECTED,
                verified=True,
                changed=True,
                tick=14,
                bit=0,
                space=384,
                before=b"\0",
                after=b"\1",
            ),
            Assessment(
                NodeEffect.SDC,
                outcome=SystemOutcome.CORRECTED,
                detected_frame=frame,
                resolved_frame=frame,
            ),
        )
    )
    voting, suspect, resync = NodeState.VOTING, NodeState.SUSPECT, NodeState.RESYNC
    for before, after, cause in (
        (voting, suspect, "dissent"),
        (suspect, resync, "dissent"),
        (resync, voting, "resync done"),
    ):
        recorder.transition(Transition(frame, name, before, after, cause))
    damage = (Damage(256, b"\1" + bytes(255), bytes(256), 1),)
    recorder.repair(frame, name, RepairAttempt("resync", "dissent", True, "", 1, 256, 1800, damage))


def _health(frame: int, index: int) -> Health:
    return Health(
        uptime_us=frame * 100_000,
        cpu_temp_mc=48_000 + frame // 10 % 4000 + 500 * index,
        clock_khz=1_200_000,
        throttled=0,
        rss_kib=3120,
        free_mib=611,
        steps=frame,
        crashes=0,
        hangs=0,
        restarts=0,
        corrected=0,
        uncorrected=0,
        rx_bytes=0,
        rx_frames=0,
        rx_errors=0,
        tx_bytes=0,
        tx_frames=0,
        duplicates=0,
        rails=(),
    )
