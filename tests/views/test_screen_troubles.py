"""What an operator runs into: pauses, slow frames, records that are replaced, keys pressed early,
and tiny terminals."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from hil.record.live import LiveRecord, State
from hil.record.schema import SCHEMA_VERSION
from hil.views.alarm_limits import Level
from hil.views.screen.model import health
from hil.views.screen.model.events import newest_events
from hil.views.screen.model.facts import NodeFacts, NodeReading, Scene, SceneRun
from hil.views.screen.model.playback import Player
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.model.verdict_strip import VerdictHistory
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View
from hil.views.screen.run_control import KeyCommand
from tests.amount import mostly_slow
from tests.views.story import Story
from tests.views.terminal import press, resize
from tests.views.test_screen_keys import Bench, Remote, drive

pytestmark = pytest.mark.usefixtures("fresh")


def desk_of(run: Path, size: tuple[int, int] = (80, 24)) -> Presenter:
    presenter = Presenter(run, Marks(), Player(), lambda: 0.0)
    presenter.refresh(*size)
    return presenter


def text_of_page(presenter: Presenter) -> str:
    return "\n".join(line.plain for line in presenter.page())


def command(run: Path, frame: int, name: str, *, ok: bool = True, **arguments: Any) -> None:
    """What the server records of a command."""
    db = sqlite3.connect(run / "run.db")
    db.execute(
        "INSERT INTO commands (frame, wall_us, who, uid, pid, command, arguments, ok, answer) "
        "VALUES (?, 0, 'ann', 1, 1, ?, ?, ?, 'no such node')",
        (frame, name, json.dumps(arguments), ok),
    )
    db.commit()
    db.close()


# --- a run that is held ---------------------------------------------------------------------------


def test_a_run_that_was_paused_says_so_and_by_whom(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(30)
        command_frame = story.frame
    command(tmp_path, command_frame, "pause")
    presenter = desk_of(tmp_path)
    page = text_of_page(presenter)
    assert "RUN PAUSED" in page.splitlines()[0] and "ann paused the run" in page
    assert presenter.summary() == ("PAUSED", Level.WARN)
    command(tmp_path, command_frame, "resume")
    presenter.refresh(80, 24)
    assert "LIVE" in text_of_page(presenter).splitlines()[0]


def test_a_run_that_went_on_after_a_pause_is_not_paused(tmp_path: Path) -> None:
    """It was killed in the pause, and resumed from its snapshot."""
    with Story(tmp_path / "run.db") as story:
        story.agree(30)
    command(tmp_path, 20, "pause")
    assert desk_of(tmp_path).scene.paused_by == ""


def test_what_is_ordered_in_a_pause_is_seen_at_once(tmp_path: Path) -> None:
    """It has the number of the frame that comes next."""
    with Story(tmp_path / "run.db") as story:
        story.agree(30)
        story.frame += 1  # `move` tells of the frame before
        story.move("b", "voting", "isolated", cause="by ann")
        story.frame -= 1
    command(tmp_path, 30, "isolate", node="b")
    source = LiveRecord(tmp_path)
    source.poll()
    texts = [event.text for event in newest_events(source, VerdictHistory(source), source.last, 10)]
    assert texts == ["ISOLATED: by ann", "isolate, by ann"]
    assert SceneReader(source).scene(source.last).nodes[1].state == "isolated"
    assert SceneReader(source).scene(source.last - 1).nodes[1].state == "voting"


def test_a_node_isolated_by_the_operator_is_not_attributed_to_an_upset(tmp_path: Path) -> None:
    """Whatever hit it shortly before."""
    with Story(tmp_path / "run.db") as story:
        story.agree(20).outvoted("b").agree(5).move("b", "voting", "isolated", cause="operator 1")
        story.isolate("c").agree(2)
    nodes = desk_of(tmp_path).scene.nodes
    assert (nodes[1].began_cause, nodes[1].upset) == ("operator 1", "")
    assert nodes[2].upset == "upset #2 board power loss"


def test_commands_are_shown_in_words_and_once(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(30).recorder.note(29, "ann: Lüfter 換扇")
    command(tmp_path, 29, "note", text="Lüfter 換扇")
    command(tmp_path, 29, "inject", ok=False, node="zz", target="state")
    source = LiveRecord(tmp_path)
    source.poll()
    told = [
        (event.node, event.text, event.level)
        for event in newest_events(source, VerdictHistory(source), 29, 10)
    ]
    assert told == [
        ("", "ann: Lüfter 換扇", Level.NOTE),
        ("zz", "inject target=state, by ann REFUSED: no such node", Level.WARN),
    ]


@pytest.mark.parametrize(
    ("pace", "frame_s", "age_s", "stale"),
    [
        ("realtime", 0.01, 3.1, True),
        ("realtime", 5.0, 5.2, False),
        ("realtime", 5.0, 12.0, True),
        ("2x", 20.0, 11.0, False),
        ("60x", 60.0, 3.9, False),
        ("free", 5.0, 3.1, True),
    ],
)
def test_a_frame_that_takes_long_is_waited_for(
    pace: str, frame_s: float, age_s: float, *, stale: bool
) -> None:
    run = SceneRun(pace=pace, frame_us=round(frame_s * 1e6))
    assert health.is_stale(Scene(run, State.RUNNING, head=1, last=1, age_s=age_s)) is stale


def test_the_last_values_of_a_lost_or_stopped_run_are_shown_as_old() -> None:
    for told in (
        Scene(SceneRun(), State.LOST, head=5, last=5),
        Scene(SceneRun(), writer_ended=True, head=5, last=5),
    ):
        assert health.is_stale(told)
    assert not health.is_stale(Scene(SceneRun(), State.ENDED, head=5, last=5, age_s=1e6))


def test_real_time_that_began_anew_makes_nothing_old() -> None:
    """A run that was killed and resumed; one of its nodes has been silent since before."""
    nodes = tuple(
        NodeFacts(index, name, reading=NodeReading(frame, wall_us))
        for index, (name, frame, wall_us) in enumerate(
            [("a", 4000, 2_000_000), ("b", 1000, 15_000_000), ("c", 3990, 1_900_000)]
        )
    )
    scene = Scene(SceneRun(), head=4000, last=4000, nodes=nodes)
    assert [health.reading_age_s(node, scene) for node in nodes] == [0.0, 30.0, 0.1]


# --- records that are replaced, damaged, or not there ---------------------------------------------


def test_another_record_in_the_same_place_is_read_from_the_beginning(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Story(run / "run.db") as story:
        story.agree(60).outvoted("a").agree(5)
    presenter = desk_of(run)
    shutil.rmtree(run)
    with Story(run / "run.db", nodes=5, name="second") as story:
        story.agree(20)
    presenter.refresh(80, 24)
    page = text_of_page(presenter)
    assert "second" in page and "5MR: 5 of 5 vote" in page
    assert presenter.scene.totals.outvoted == 0


def test_what_could_not_be_read_once_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if nothing new is ever written: an ended run on a disk that failed for a moment."""
    with Story(tmp_path / "run.db") as story:
        story.agree(20).end()
    source = LiveRecord(tmp_path)
    source.poll()

    source.rows("SELECT * FROM nodes, (SELECT zeroblob(1 << 60))")
    assert source.state is State.LOST
    source.poll()
    assert source.state is State.ENDED


def test_a_resumed_run_is_summed_up_again(tmp_path: Path) -> None:
    """`hil run --resume` goes back to the last snapshot; what came after it is no more."""
    with Story(tmp_path / "run.db") as story:
        story.agree(40).wrong().agree(9)
    source = LiveRecord(tmp_path)
    source.poll()
    scene_reader = SceneReader(source)
    assert scene_reader.scene(source.last, zoom=64).strip[-1].notable == 1
    scene_reader.scene(source.last, zoom=1)
    db = sqlite3.connect(tmp_path / "run.db")
    db.execute("DELETE FROM frames")
    db.execute("UPDATE blocks SET count = 20, data = substr(data, 1, length(data) * 20 / count)")
    db.commit()
    db.close()
    source.poll()
    scene_reader.scene(source.last, zoom=1)
    with closing(sqlite3.connect(tmp_path / "run.db")) as db, db:
        db.execute("UPDATE blocks SET count = 50, data = data || zeroblob(10000)")
    source.poll()
    assert all(cell.notable == 0 for cell in scene_reader.scene(49, zoom=1).strip)


@pytest.mark.parametrize("name", ["notes.txt", "notes"])
def test_a_file_that_is_not_a_record_is_reported_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("nothing of the kind, but long enough to look at\n" * 100)
    source = LiveRecord(tmp_path / name)
    source.poll()
    assert source.state is State.LOST and "file is not a database" in source.reason


def test_a_newer_record_says_what_to_do(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(1)
    with closing(sqlite3.connect(tmp_path / "run.db")) as db, db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    source = LiveRecord(tmp_path)
    source.poll()
    assert source.state is State.LOST and "update hil" in source.reason


# --- keys, early and at random --------------------------------------------------------------------


def test_a_decision_that_is_opened_before_the_first_frame_shows_the_newest(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.commit()
        presenter = desk_of(tmp_path)
        presenter.go(View.DECISION)
        assert "no frame has been recorded yet" in text_of_page(presenter)
        story.agree(8).commit()
        presenter.refresh(80, 24)
        assert "FRAME 7" in text_of_page(presenter)
        presenter.source.close()


@pytest.mark.slow
def test_keys_before_the_first_frame_do_not_keep_it_from_being_followed(tmp_path: Path) -> None:
    async def flow(b: Bench) -> None:
        for key in ("space", "home", "comma", "full_stop", "left", "pagedown", "plus", "minus"):
            await b.press(key)
        with Story(tmp_path / "run" / "run.db") as story:
            story.agree(30)
        await b.wait(1.0)
        assert "LIVE" in b.text and b.presenter.head == 29

    drive([tmp_path / "run"], flow)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with Story(tmp_path / "run" / "run.db") as story:
        story.orbit().agree(20).outvoted("a").agree(39).isolate("c").plant().agree(9).wrong().end()
    return tmp_path / "run"


_KEYS = str.split(
    "1 2 3 4 5 enter escape space p a f left_square_bracket right_square_bracket up down left "
    "right h j k l plus minus comma full_stop less_than_sign greater_than_sign pageup pagedown "
    "home end g slash tab shift+tab question_mark x y n 9 s backspace ctrl+p delete f1"
)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), [(0, 40), (2, 150)])
def test_random_keys_and_sizes_do_no_harm(run: Path, tmp_path: Path, seed: int, count: int) -> None:
    """On a run, beside a folder without one, and a file that is none."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 16)
    choose = random.Random(seed)

    async def flow(b: Bench) -> None:
        for _ in range(count):
            if b.app._exit:
                return
            if choose.random() < 0.1:
                await resize(b.app, choose.randint(1, 160), choose.randint(1, 50))
            await press(b.app, choose.choice(_KEYS))

    drive([run, tmp_path / "empty", tmp_path / "damaged.db"], flow)


@pytest.mark.parametrize(
    "text", mostly_slow(["²", "9" * 5000, "[/red]", "1e999d", "٣", "-1", "9" * 30 + "d"], keep=3)
)
def test_where_to_go_survives_anything_typed(run: Path, text: str) -> None:
    async def flow(b: Bench) -> None:
        await b.press("g")
        b.app.screen.query_one("Input", Input).value = text
        await b.press("enter")
        assert "VERDICTS" in b.text

    drive([run], flow)


@pytest.mark.parametrize(
    "size",
    [(1, 1), (20, 3), *(pytest.param(s, marks=pytest.mark.slow) for s in ((3, 2), (40, 10)))],
)
def test_tiny_terminals_do_no_harm(run: Path, size: tuple[int, int]) -> None:
    async def flow(b: Bench) -> None:
        for key in "12345":
            await b.press(key)
        await resize(b.app, 80, 24)
        await b.press("2", "1")
        assert "VERDICTS" in b.text

    drive([run], flow, size=size)


def test_a_page_on_is_later_and_a_page_back_is_earlier(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(400).end()
    presenter = desk_of(tmp_path)
    presenter.zoom = 0
    presenter.refresh(80, 24)
    presenter.page_by(-1)
    assert presenter.head == 399 - 78
    presenter.page_by(1)
    assert presenter.head == 399


# --- the strip ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "zoom"), [(60, 1), (120, 2), (1200, 16), (5000, 16)])
def test_the_strip_shows_the_last_minutes_or_the_whole_run(
    tmp_path: Path, frames: int, zoom: int
) -> None:
    """At 10 frames/s two minutes are 1,200 frames, in 78 cells."""
    with Story(tmp_path / "run.db") as story:
        story.agree(frames)
    assert desk_of(tmp_path).scene.zoom == zoom


def test_the_cursor_stays_with_its_frame_while_the_run_goes_on(tmp_path: Path) -> None:
    with Story(tmp_path / "run" / "run.db") as story:
        story.agree(30).outvoted("a").agree(10)
        story.commit()

        async def flow(b: Bench) -> None:
            await b.press("left_square_bracket")
            assert "frame 30 ▲ outvoted" in b.text
            story.agree(20)
            story.commit()
            await b.wait(1.0)
            assert b.presenter.head == 60 and "frame 30 ▲ outvoted" in b.text
            await b.press("enter")
            assert "FRAME 30" in b.text

        drive([tmp_path / "run"], flow)


# --- nodes ----------------------------------------------------------------------------------------


def test_a_node_shows_its_own_events_however_much_befell_the_others(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(5).outvoted("a")
        for _ in range(250):
            story.outvoted("b")
    presenter = desk_of(tmp_path)
    presenter.view, presenter.node = View.NODE, 0
    presenter.refresh(80, 40)
    assert "#1 output bit" in text_of_page(presenter)


# --- commands -------------------------------------------------------------------------------------


def test_a_command_for_a_node_asks_for_which_unless_one_was_chosen(run: Path) -> None:
    remote = Remote()

    async def flow(b: Bench) -> None:
        b.app.send_command(KeyCommand("isolate", "take a node out", node=True))
        await b.wait(0.0)
        assert "for which node: a, b, c" in b.text
        await b.press("end", "backspace", "c", "enter", "y")
        await b.app.workers.wait_for_complete()

    drive([run], flow, control=remote)
    assert remote.told == [("isolate", ["node=c"])]


@pytest.mark.slow
def test_a_quote_left_open_is_a_message(run: Path) -> None:
    async def flow(b: Bench) -> None:
        b.app.send_command(KeyCommand("note", "a remark", more="text="))
        await b.wait(0.0)
        await b.press("end", *"it", "apostrophe", "s", "enter")
        said = [note.message for note in b.app._notifications]
        assert len(said) == 1 and "No closing quotation" in said[0]

    drive([run], flow, control=Remote())
