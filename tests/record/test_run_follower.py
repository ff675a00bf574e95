"""Whoever follows a record while it is written gets what whoever reads it afterwards gets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import FramesDone, RunObserver
from hil.record.live import LiveRecord
from hil.record.recorded_scenario import RecordedScenario
from hil.record.row_values import RecordedNode, RecordedUpset
from hil.record.run_follower import FollowedRow, RunFollower
from hil.record.run_meta import RunMeta
from hil.record.sqlite_recorder import SqliteRecorder
from hil.scenario import parse_scenario
from hil.upsets.outcome import Anomaly
from hil.upsets.words import NodeEffect

SCENARIO = """\
schema: 1
workload: attitude
frames: 200
frame_ms: 1
rig: {scheme: tmr, board: inproc}
upsets:
  rates: [{targets: [state, output, checkpoint], per_s: 60}]
"""
FRAME = 32 + 18


class EagerRecorder(SqliteRecorder):
    """Commits after each call, so that a follower sees every moment of the record."""

    def frames(self, records: bytes, count: int) -> None:
        super().frames(records, count)
        self.commit()


class Following(RunObserver):
    """Follows a record frame by frame, as another program does."""

    def __init__(self, run: Path) -> None:
        self.follower = RunFollower(LiveRecord(run))
        self.polls = 0
        self.frames: list[bytes] = []
        self.rows: list[FollowedRow] = []

    def on_frame(self, done: FramesDone) -> None:
        self.read()

    def read(self) -> None:
        while (news := self.follower.news()) is not None:
            self.polls += 1
            self.frames += [frame.tobytes() for frame in news.frames]
            self.rows += news.rows


def newest(rows: list[FollowedRow]) -> Counter[str]:
    """All rows as texts, each upset as it was returned last."""
    upsets = {row.id: row for row in rows if isinstance(row, RecordedUpset)}
    others = [row for row in rows if not isinstance(row, RecordedUpset)]
    return Counter(map(repr, [*others, *upsets.values()]))


def test_a_follower_gets_every_frame_and_row_once_and_upsets_again_when_they_are_settled(
    tmp_path: Path,
) -> None:
    live, after = Following(tmp_path), Following(tmp_path)
    setup = RunSetup(recorders=EagerRecorder)
    Loop(parse_scenario(SCENARIO), tmp_path, batch=False, observers=[live], setup=setup).run()
    live.read()
    after.read()
    assert live.polls > 150 and live.follower.has_all and after.follower.has_all
    assert live.frames == after.frames and len(after.frames) == 200
    kinds = Counter(type(row).__name__ for row in after.rows)
    assert kinds["RecordedUpset"] > 3 and kinds["RecordedTransition"] > 3
    assert newest(live.rows) == newest(after.rows)
    assert live.follower.generation == 0
    for following in (live, after):
        following.follower.record.close()


def test_a_resumed_run_is_followed_from_its_first_frame_again(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    meta = RunMeta(scenario=RecordedScenario.of(parse_scenario(SCENARIO)), outcome="running")
    recorder = SqliteRecorder.begin(path, meta)
    recorder.node(RecordedNode(0, "a", "inproc"))
    for frame in range(6):
        if frame == 2:
            recorder.snapshot(2, b"", "{}", {})
        recorder.frame(frame.to_bytes(8, "little") + bytes(FRAME - 8))
    recorder.commit()
    follower = RunFollower(LiveRecord(tmp_path))
    first = follower.news()
    assert first is not None and first.frames["frame"].tolist() == [0, 1, 2, 3, 4, 5]
    assert follower.news() is None
    recorder.close()
    recorder = SqliteRecorder.resume(path, 2)
    recorder.frame((2).to_bytes(8, "little") + bytes(FRAME - 8))
    recorder.commit()
    again = follower.news()
    assert again is not None and again.frames["frame"].tolist() == [0, 1, 2]
    assert follower.generation == 1
    follower.record.close()
    recorder.close()


def test_what_is_much_comes_in_parts_with_the_rows_of_their_frames(tmp_path: Path) -> None:
    meta = RunMeta(scenario=RecordedScenario.of(parse_scenario(SCENARIO)), outcome="running")
    recorder = SqliteRecorder.begin(tmp_path / "run.db", meta)
    recorder.node(RecordedNode(0, "a", "inproc"))
    for first in range(0, 10_000, 1000):
        numbers = range(first, first + 1000)
        frames = b"".join(n.to_bytes(8, "little") + bytes(FRAME - 8) for n in numbers)
        recorder.frames(frames, 1000)
        recorder.anomaly(Anomaly(first + 999, "a", NodeEffect.SDC, "nobody knows"))
        recorder.commit()
    recorder.close()
    follower = RunFollower(LiveRecord(tmp_path))
    parts = []
    while (news := follower.news()) is not None:
        parts.append((news.frames["frame"].tolist(), [row.frame for row in news.rows]))  # type: ignore[union-attr]
    follower.record.close()
    assert len(parts) > 1 and [n for frames, _ in parts for n in frames] == list(range(10_000))
    for frames, rows in parts:
        assert rows == [n for n in range(999, 10_000, 1000) if n in set(frames)]
