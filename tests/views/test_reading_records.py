"""Source, history, watch and decision, on records that the real writer wrote."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hil.perf.long_record import write_record
from hil.record.live import LiveRecord, State, newest_run
from hil.record.record_tables import RecordTable
from hil.record.run_lock import RunLock
from hil.record.timeline import Timeline
from hil.views.alarm_limits import Level
from hil.views.screen.model import alarm_feed
from hil.views.screen.model import verdict_strip as ledger_module
from hil.views.screen.model.alarm_feed import AlarmFeed
from hil.views.screen.model.decision import decision, neighbour
from hil.views.screen.model.events import newest_events
from hil.views.screen.model.playback import Player
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.model.verdict_strip import STRETCH, ZOOMS, StripMark, VerdictHistory
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter
from tests.views.story import Story


def opened(path: Path) -> LiveRecord:
    source = LiveRecord(path)
    source.poll()
    return source


# --- the record as it comes and goes --------------------------------------------------------------


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    source = LiveRecord(tmp_path)
    assert not source.poll() and source.state is State.WAITING
    (tmp_path / "run.db").touch()  # the file is there before its tables are
    source.poll()
    assert source.state is State.WAITING
    (tmp_path / "run.db").unlink()
    with Story(tmp_path / "run.db") as story:
        story.agree(5)
        story.commit()
        assert source.poll() and source.state is State.RUNNING
        assert (source.last, source.names) == (4, ("a", "b", "c"))
        source.close()  # a record that somebody reads is closed only after some seconds


def test_a_run_that_ended_before_it_recorded_anything_is_not_waited_for(tmp_path: Path) -> None:
    source = LiveRecord(tmp_path)
    for torn in ("", "[]", "{}"):
        (tmp_path / "manifest.json").write_text(torn)
        assert not source.poll() and source.state is State.WAITING
    (tmp_path / "manifest.json").write_text('{"outcome": "aborted", "exit_code": 130}')
    assert source.poll() and not source.poll() and source.state is State.LOST
    assert source.reason == "the run ended before it recorded anything, outcome: aborted"


def test_only_what_is_new_is_news(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(5).commit()
        source = opened(tmp_path)
        assert not source.poll()
        story.agree(3).commit()
        assert source.poll() and source.last == 7
        story.end("aborted").commit()
        assert source.poll() and source.state is State.ENDED and source.outcome == "aborted"
        source.close()


def test_a_record_that_vanishes_is_lost_and_one_that_comes_back_is_read(tmp_path: Path) -> None:
    with Story(tmp_path / "run" / "run.db") as story:
        story.agree(5)
    source = opened(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    assert source.poll() and source.state is State.LOST and "gone" in source.reason
    assert not source.poll()
    with Story(tmp_path / "run" / "run.db") as story:
        story.agree(9)
    assert source.poll() and (source.state, source.last) == (State.RUNNING, 8)


@pytest.mark.parametrize(
    "content", [b"no database at all " * 100, b"SQLite format 3\0" + bytes(84)]
)
def test_a_folder_without_a_valid_record_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.db").write_bytes(content)
    source = LiveRecord(tmp_path)
    source.poll()
    assert source.state in (State.LOST, State.WAITING)
    assert source.rows("SELECT * FROM frames") == []


def test_a_reader_does_not_hold_the_writer_up(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(50).commit()
        source = opened(tmp_path)
        with source.moment():
            source.rows("SELECT * FROM blocks")
            story.recorder._connection._db.execute(
                "PRAGMA busy_timeout = 0"
            )  # it would fail, not wait
            story.agree(50).commit()
            assert source.rows("SELECT max(first_frame) FROM blocks")[0][0] < 50
        assert source.poll() and source.last == 99
        source.close()


def test_a_writer_that_was_killed_is_noticed(tmp_path: Path) -> None:
    with RunLock(tmp_path), Story(tmp_path / "run.db") as story:
        story.agree(5)
        source = opened(tmp_path)
        assert not source.is_killed
    assert source.poll() and source.is_killed
    with RunLock(tmp_path):  # it is resumed
        assert source.poll() and not source.is_killed


def test_records_of_before_the_pulse_are_read(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(5)
    db = sqlite3.connect(tmp_path / "run.db")
    for table in ("pulse", "skips", "commands", "link_events", "plant", "orbit", "plant_nodes"):
        db.execute(f"DROP TABLE {table}")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    source = opened(tmp_path)
    assert source.state is State.RUNNING and source.age_s() is None
    assert SceneReader(source).scene(source.last).nodes


def test_the_newest_run_is_found(tmp_path: Path) -> None:
    assert newest_run(tmp_path) is None
    for k, name in enumerate(("one", "two", "three")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 + k % 2, 1000 + k % 2))
    assert newest_run(tmp_path) == tmp_path / "two"


# --- positions and sums ---------------------------------------------------------------------------


def test_positions_are_those_of_a_plain_search(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        for k in range(30):
            story.agree(k % 4).outvoted("abc"[k % 3])
    source = opened(tmp_path)
    for table in (RecordTable.TRANSITIONS, RecordTable.REPAIRS, RecordTable.HEALTH):
        rows = source.rows(f"SELECT id, frame FROM {table}")
        for frame in range(-1, source.last + 2):
            expected = max((r["id"] for r in rows if r["frame"] <= frame), default=0)
            assert source.position(table, frame) == expected


@pytest.fixture(scope="module")
def long_history(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[int, VerdictHistory]]:
    """The number of frames of a record, and its verdicts, for tests that only look at them."""
    folder = tmp_path_factory.mktemp("long")
    frames = write_record(folder / "run.db", 2000, upset_every=700)
    source = opened(folder)
    history = VerdictHistory(source)
    while not history.read_on(1.0):
        pass
    yield frames, history
    source.close()


@pytest.mark.parametrize("zoom", ZOOMS)
def test_cells_show_the_worst_of_their_frames(
    long_history: tuple[int, VerdictHistory], zoom: int
) -> None:
    frames, history = long_history
    bad = set(range(699, frames, 700))
    for head in (0, 698, 699, 5000, STRETCH - 1, STRETCH, frames - 1):
        for cell in history.strip(head, 20, zoom):
            inside = sorted(f for f in bad if cell.first <= f <= min(cell.last, head))
            if cell.last < 0 or cell.first < 0:
                assert cell.mark is StripMark.NONE
            elif inside:
                assert (cell.mark, cell.frame, cell.notable) == (
                    StripMark.OUTVOTED,
                    inside[0],
                    len(inside),
                )
            else:
                assert cell.mark is StripMark.AGREED
        totals = history.totals(head)
        assert totals.outvoted == len([f for f in bad if f <= head])
        assert totals.frames == head + 1 and totals.complete


def test_what_was_not_read_yet_says_so(tmp_path: Path) -> None:
    frames = write_record(tmp_path / "run.db", 3000)
    history = VerdictHistory(opened(tmp_path))
    assert not history.totals(frames - 1).complete
    assert StripMark.UNREAD in {cell.mark for cell in history.strip(frames - 1, 6, STRETCH)}
    history.read_on(60.0)
    assert history.totals(frames - 1).complete


def test_each_kind_of_trouble_has_its_mark(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(2).outvoted("a").wrong().differ(a=1, b=2, c=3).agree(1)
    found = [cell.mark.name for cell in VerdictHistory(opened(tmp_path)).strip(5, 6, 1)]
    assert found == ["AGREED", "AGREED", "OUTVOTED", "WRONG", "NO_OUTPUT", "AGREED"]


# --- scenes ---------------------------------------------------------------------------------------


def test_the_past_is_shown_as_it_was(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(30).isolate("b").agree(40)
        story.move("b", "isolated", "power_cycle", "reintegrating", cause="power is back")
        story.agree(5).move("b", "reintegrating", "voting", cause="agreed again").agree(20)
    scene_reader = SceneReader(opened(tmp_path))
    states = {frame: scene_reader.scene(frame).nodes[1].state for frame in (29, 30, 69, 72, 80)}
    assert states == {
        29: "voting",
        30: "isolated",
        69: "isolated",
        72: "reintegrating",
        80: "voting",
    }
    then = scene_reader.scene(60).nodes[1]
    assert (then.began_frame, then.began_cause, then.heard_frame) == (30, "silent", 29)
    assert then.upset == "upset #1 board power loss"
    assert scene_reader.scene(60).upsets == 1 and scene_reader.scene(29).upsets == 0


def test_rates_come_from_two_accounts(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(41)
    node = SceneReader(opened(tmp_path)).scene(40).nodes[0]
    assert node.steps_per_s(Timeline(100_000)) == pytest.approx(10.0)


def test_events_are_newest_first_and_the_same_in_a_row_are_one(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(3).outvoted("a")
        for _ in range(4):
            story.wrong()
    events = newest_events(opened(tmp_path), VerdictHistory(opened(tmp_path)), 99, 50)
    assert (events[0].level, events[0].frame, events[0].count) == (Level.BAD, 7, 4)
    assert [event.kind for event in events[1:]] == ["repair", "upset"]
    assert newest_events(opened(tmp_path), VerdictHistory(opened(tmp_path)), 2, 50) == ()


# --- alarms ---------------------------------------------------------------------------------------


def all_of(watch: AlarmFeed, head: int) -> dict[tuple[str, str], Level]:
    watch.follow(head)
    while watch.behind:
        watch.follow(head)
    return {alarm.key: alarm.level for alarm in watch.book.alarms}


def test_alarms_follow_the_record(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(20)
        story.temperatures["b"] = 90.0
        story.agree(60)
        story.temperatures["b"] = 50.0
        story.agree(20).isolate("c").wrong().agree(120)
    source = opened(tmp_path)
    watch = AlarmFeed(source)
    hot = ("cpu_temp_c", "b")
    assert all_of(watch, 30) == {}  # not persistent yet
    assert all_of(watch, 70) == {hot: Level.BAD}
    # Wrong outputs now and then are one failure: it is over when there was none for a second.
    assert all_of(watch, 105)["wrong output", ""] is Level.BAD
    later = all_of(watch, source.last)
    assert later == {
        hot: Level.GOOD,
        ("isolated", "c"): Level.BAD,
        ("wrong output", ""): Level.GOOD,
    }
    assert watch.acknowledge() == 3
    assert all_of(watch, source.last) == {("isolated", "c"): Level.BAD}
    # Looking back and forth again does not undo it.
    all_of(watch, 10)
    assert [a.acknowledged for a in watch.follow(source.last)] == [True]


def test_limits_of_the_scenario_hold(tmp_path: Path) -> None:
    alarms = {"cpu_temp_c": {"yellow_high": 40, "persistence": 1}}
    with Story(tmp_path / "run.db", alarms=alarms) as story:
        story.agree(15)
    watch = AlarmFeed(opened(tmp_path))
    assert set(all_of(watch, 14)) == {("cpu_temp_c", name) for name in "abc"}


@pytest.mark.slow
def test_a_screen_attached_late_shows_present_alarms_at_once_and_all_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong output, an isolation that is over, and heat, long ago; then 2,000 quiet seconds."""
    hot = ("cpu_temp_c", "b")
    with Story(tmp_path / "run.db", frames=30_000) as story:
        story.agree(20).wrong().agree(9).isolate("c").agree(20).move("c", "isolated", "voting")
        story.temperatures["b"] = 91.0
        story.agree(60)
        story.temperatures["b"] = 50.0
        story.agree(20_000)
        story.temperatures["a"] = 90.0
        story.agree(50)
    source = opened(tmp_path)
    looked_at_the_clock = itertools.count()
    watch = AlarmFeed(source, lambda: next(looked_at_the_clock) / 1000)  # 1 ms between two looks
    monkeypatch.setattr(alarm_feed, "_BUDGET_S", 5.0)
    first = {alarm.key: alarm for alarm in watch.follow(source.last)}
    assert first["cpu_temp_c", "a"].level is Level.BAD  # of what is now, at once
    looks = 0
    while watch.behind:
        assert 0 < watch.watched_from < source.last
        found = watch.follow(source.last)
        looks += 1
    assert watch.watched_from == 0 and looks < 30
    alarms = {alarm.key: alarm for alarm in found}
    assert set(alarms) == {hot, ("cpu_temp_c", "a"), ("isolated", "c"), ("wrong output", "")}
    assert alarms[hot].level is Level.GOOD and alarms[hot].latched is Level.BAD
    assert alarms["wrong output", ""].since_frame == 20
    # The same as if somebody had watched from the beginning on.
    patient = AlarmFeed(source)
    for frame in range(0, source.last + 1, 1000):
        patient.follow(frame)
    while patient.behind:
        patient.follow(source.last)
    assert patient.follow(source.last) == found
    # What is acknowledged stays so, wherever one looks from.
    assert watch.acknowledge() == 4
    assert [a.key for a in watch.follow(source.last)] == [("cpu_temp_c", "a")]
    watch.follow(5000)
    while watch.behind:
        watch.follow(source.last)
    assert all(a.acknowledged for a in watch.follow(source.last))


def test_of_a_long_flight_with_few_accounts_nothing_is_missed(tmp_path: Path) -> None:
    """Plants tell of themselves oftener than boards where frames are computed in no time."""
    with Story(tmp_path / "run.db", frames=30_000) as story:
        for frame in range(3000):
            story.plant(soc=0.1 if 100 < frame < 110 else 0.8).agree()
    source = opened(tmp_path)
    watch = AlarmFeed(source)
    assert all_of(watch, source.last) == {("soc", ""): Level.GOOD}


def test_what_another_screen_acknowledged_is_acknowledged(tmp_path: Path) -> None:
    """Through a run that takes commands, by name; what came back later is not."""
    with Story(tmp_path / "run.db") as story:
        story.agree(20).wrong().agree(9).isolate("c").agree(9)
    source = opened(tmp_path)
    watch = AlarmFeed(source)
    assert len(watch.follow(source.last)) == 2
    with closing(sqlite3.connect(tmp_path / "run.db")) as db, db:
        for name in ("wrong output", "isolated.c", "nonsense"):
            db.execute(
                "INSERT INTO commands (frame, wall_us, who, uid, pid, command, arguments, ok, "
                "answer) VALUES (40, 0, 'ann', 1, 1, 'acknowledge', ?, 1, '')",
                (json.dumps({"alarm": name}),),
            )
    assert [a.acknowledged for a in watch.follow(source.last)] == [True]
    assert [a.acknowledged for a in AlarmFeed(source).follow(source.last)] == [True]


def episodes_by_hand(rows: list[tuple[int, int, str]]) -> list[tuple[int, int, int]]:
    """First frame, last frame and count, newest first; rows of frame, time and what was wrong."""
    found: list[list[tuple[int, int, str]]] = []
    for what in {row[2] for row in rows}:
        before = None
        for row in (row for row in rows if row[2] == what):
            if before is None or row[1] - before >= 1_000_000:
                found.append([])
            found[-1].append(row)
            before = row[1]
    spans = [(group[0][0], group[-1][0], len(group)) for group in found]
    return sorted(spans, key=lambda span: -span[1])


def test_episodes_of_bad_frames_are_those_of_a_plain_search_wherever_one_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through stretches of frames that are summed up apart, too."""
    monkeypatch.setattr(ledger_module, "STRETCH", 16)
    choose = random.Random(5)
    with Story(tmp_path / "run.db", nodes=2) as story:
        for _ in range(60):
            story.agree(choose.choice((1, 2, 3, 9, 10, 11, 25)))
            for _ in range(choose.randint(1, 4)):
                story.wrong() if choose.random() < 0.6 else story.differ(a=1, b=2)
    source = opened(tmp_path)
    history = VerdictHistory(source)
    assert history.read_on(10.0)
    everything = [
        (row["frame"], row["t_us"], row["verdict"] if row["verdict"] == "no_majority" else "wrong")
        for row in source.rows("SELECT frame, t_us, verdict FROM frames ORDER BY frame")
    ]
    for head in (source.last, 5, 80, 30, 31, 60, 3, source.last - 1, 0, 200, source.last):
        bad = [row for row in everything if row[0] <= head]
        found = [(e.first, e.last, e.frames) for e in history.episodes(head, 1000)]
        assert found == episodes_by_hand(bad)
        newest = history.episodes(head, 3)
        assert [(e.first, e.last, e.frames) for e in newest] == found[:3]
        assert all(episode.whole for episode in newest)
        totals = history.totals(head)
        assert totals.no_output + totals.wrong == len(bad)


# --- decisions ------------------------------------------------------------------------------------


def test_a_decision_down_to_the_bit(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(7).outvoted("b").agree(4)
    found = decision(opened(tmp_path), 7)
    assert found.notable and found.vote is not None and found.vote.kind == "majority"
    assert [(a.node, a.agrees, a.part) for a in found.answers] == [
        ("a", True, "voter"),
        ("b", False, "voter"),
        ("c", True, "voter"),
    ]
    output, state = found.differences
    assert (output.node, output.where, output.offset, output.bits) == ("b", "output", 0, 1)
    assert (output.agreed[0], output.actual[0]) == (0, 1)
    assert (state.where, state.offset, state.bits) == ("state", 256, 1)
    assert found.causes[0].startswith("#1 b output bit: sdc, corrected; at tick 14, bit 3 of 384")
    assert [cure.text for cure in found.cures] == [
        "resync (dissent): done in 1.8 ms, 1 chunks, 256 B moved"
    ]
    assert found.outage == "b voted again before the next frame, after 1 ms"


def test_an_outage_is_shown_with_its_length(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(10).isolate("c").agree(50)
        story.move("c", "isolated", "power_cycle", "reintegrating").agree(3)
        story.move("c", "reintegrating", "voting")
    found = decision(opened(tmp_path), 10)
    assert found.outage == "c was isolated before the next frame, after 1 ms"
    assert any("power cycle FAILED" in cure.text for cure in found.cures)


def test_plain_agreement_has_digests_only(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(9)
    found = decision(opened(tmp_path), 4)
    assert not found.notable and found.differences == () and found.output
    assert decision(opened(tmp_path), 99).vote is None


def test_neighbours_are_the_notable_frames(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(5).outvoted("a").agree(5).outvoted("b").agree(5)
    source = opened(tmp_path)
    assert [neighbour(source, 5, 1), neighbour(source, 11, -1)] == [11, 5]
    assert [neighbour(source, 11, 1), neighbour(source, 5, -1)] == [None, None]


# --- long records ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_opening_and_seeking_do_not_read_the_whole_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a look asks for does not grow with the record: it is counted, not timed. (Alarms of the
    past are read, too, but only so long with every look.)"""
    asked = {}
    for name, seconds in (("short", 1500), ("long", 9000)):
        (tmp_path / name).mkdir()
        frames = write_record(tmp_path / name / "run.db", seconds, upset_every=100)
        now = 0.0
        presenter = Presenter(tmp_path / name, Marks(), Player(), lambda: 0.0)
        presenter.refresh(140, 40)
        while not presenter.scene_reader.history.read_on(1.0) or presenter.moving:
            presenter.refresh(140, 40)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        assert presenter.source._db is not None
        presenter.source._db.set_progress_handler(count, 1000)
        with monkeypatch.context() as patch:
            patch.setattr(alarm_feed, "_PAST_BUDGET_S", 0.0)
            for at in (frames // 2, frames // 3, frames - 5):
                presenter.player = presenter.player.seek(at, frames, now)
                presenter.refresh(140, 40)
                presenter.page()
        asked[name] = steps
    assert asked["long"] < 3 * asked["short"]  # of six times as much


def test_the_page_of_a_node_has_the_notes_about_it_and_no_others(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(10)
        for text in ("node a: its firmware reports under-voltage", "node a1: x", "a: y", "node b"):
            story.recorder.note(5, text)
    source = opened(tmp_path)
    events = newest_events(source, VerdictHistory(source), source.last, 9, "a")
    assert [event.text for event in events] == ["node a: its firmware reports under-voltage"]
