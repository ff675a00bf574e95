"""The screen with its keys, as somebody uses it, on records that were written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hil.views.alarm_limits import Level
from hil.views.screen.app import ScreenApp
from hil.views.screen.dialogs import Ask, Confirm, Help
from hil.views.screen.model.playback import Player
from hil.views.screen.presenter import View
from hil.views.screen.run_control import KeyCommand
from tests.views.picture import text_of
from tests.views.story import Story
from tests.views.terminal import press, resize, settled

pytestmark = pytest.mark.usefixtures("fresh")


class Bench:
    """A screen, and a clock that is turned by hand."""

    def __init__(self, app: ScreenApp, times: list[float]) -> None:
        self.app, self._times = app, times

    async def press(self, *keys: str) -> None:
        for key in keys:
            await press(self.app, key)
        await self.wait(0.0)

    async def wait(self, seconds: float) -> None:
        """Let time go on, and look."""
        self._times[0] += seconds
        await self.app.look()
        await settled(self.app)

    @property
    def text(self) -> str:
        return text_of(self.app.export_screenshot(), *self.app.size)

    @property
    def presenter(self) -> Any:
        return self.app.presenter


def drive(
    runs: Sequence[Path],
    flow: Callable[[Bench], Awaitable[None]],
    *,
    size: tuple[int, int] = (80, 24),
    **more: Any,
) -> str | None:
    """Run `flow` on a screen of these runs; what the screen ended with."""

    async def go() -> str | None:
        times = [0.0]
        app = ScreenApp(runs, clock=lambda: times[0], **more)
        async with app.run_test(size=size):
            bench = Bench(app, times)
            await bench.wait(0.0)
            await flow(bench)
        if app.failure is not None:
            raise app.failure
        return app.return_value

    return asyncio.run(go())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Frames 20 and 60 were outvoted, node c is isolated since 100; it ended."""
    with Story(tmp_path / "run" / "run.db") as story:
        story.agree(20).outvoted("a").agree(39).outvoted("b").agree(39).isolate("c").agree(30)
        story.end()
    return tmp_path / "run"


def test_from_a_mark_in_the_strip_to_the_bits_and_back(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("left_square_bracket")  # the mark before the newest frame
        assert "frame 100 ▲ outvoted" in b.text
        await b.press("left_square_bracket", "enter")
        assert b.presenter.view is View.DECISION
        assert "FRAME 60" in b.text and "DIFFERENCES" in b.text
        assert "01 01 02 03 04 05 06 07 0.0" in b.text
        await b.press("left_square_bracket")
        assert "FRAME 20" in b.text
        await b.press("right")
        assert "FRAME 21" in b.text and "plain agreement" in b.text
        await b.press("escape")
        assert b.presenter.view is View.OVERVIEW

    drive([run], flow)


@pytest.mark.parametrize(
    ("keys", "node"), [(("down",), "a"), (("j", "j"), "b"), (("up",), "c"), (("k", "k"), "b")]
)
def test_nodes_are_chosen_with_arrows_or_hjkl(run: Path, keys: tuple[str, ...], node: str) -> None:
    async def flow(b: Bench) -> None:
        await b.press(*keys)
        assert b.presenter.target == f"node {node}"
        await b.press("enter")
        assert f"NODE {node}" in b.text
        await b.press("right")
        assert f"NODE {'abca'['abc'.index(node) + 1]}" in b.text

    drive([run], flow)


@pytest.mark.slow
def test_an_event_leads_to_its_frame(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("4", "down", "down", "down", "down", "enter")
        assert b.presenter.view is View.DECISION and "FRAME 60" in b.text
        await b.press("escape")
        assert b.presenter.view is View.EVENTS

    drive([run], flow)


@pytest.mark.slow
def test_a_filter_says_what_it_hides(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("4")
        assert "hidden" not in b.text
        await b.press("f")
        assert "only yellow and red: 2 events hidden" in b.text
        await b.press("f")
        assert b.presenter.events.filter.least is Level.BAD and "only red:" in b.text
        await b.press("f", "slash")
        assert isinstance(b.app.screen, Ask)
        await b.press(*"isolated", "enter")
        assert "with `isolated`" in b.text and "ISOLATED" in b.text

    drive([run], flow)


def test_acknowledging_takes_alarms_off_once_they_are_over(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("4")
        assert "1 not acknowledged" in b.text and "ACTIVE" in b.text
        await b.press("a")
        assert "not acknowledged" not in b.text and "acknowledged" in b.text

    drive([run], flow)


def test_the_footer_shows_what_works_now(run: Path) -> None:
    async def flow(b: Bench) -> None:
        footer = b.text.splitlines()[-1]
        assert "a Ack" in footer and "Level" not in footer and "2 Node" in footer
        assert "1 Main" not in footer  # it is on view
        await b.press("4", "a")
        footer = b.text.splitlines()[-1]
        assert "f Level" in footer and "a Ack" not in footer and "4 Events" not in footer

    drive([run], flow)


def footer_of(run: Path, width: int, *keys: str, runs: int = 1, **more: Any) -> str:
    """The last line after these keys."""
    seen: list[str] = []

    async def flow(b: Bench) -> None:
        await b.press(*keys)
        seen.append(b.text.splitlines()[-1])

    drive([run] * runs, flow, size=(width, 24), **more)
    return seen[0]


@pytest.mark.slow
def test_the_wider_the_footer_the_more_keys_and_none_is_cut(run: Path) -> None:
    narrow, wide = footer_of(run, 40), footer_of(run, 120)
    assert "? Help" in narrow and "q Quit" in narrow and "5 Map" not in narrow
    for key in ("[ ] Mark", ", . Step", "g Go to", "5 Map", "q Quit  ^p All"):
        assert key in wide, key
    assert "+ - Zoom" in footer_of(run, 160)
    for width in (66, 70, 74, 80):
        words = [key.split()[-1] for key in footer_of(run, width, runs=2).split("  ") if key]
        known = {"Run", "Node", "Frame", "Events", "Map", "Pause", "Open", "Ack", "Help", "Quit"}
        assert {"Run", "Help", "Quit"} <= set(words) <= known


@pytest.mark.slow
def test_the_footer_tells_only_of_what_changes_the_page(run: Path) -> None:
    assert "Newest" not in footer_of(run, 160) and "Speed" not in footer_of(run, 160)
    playing = footer_of(run, 160, player=Player(following=False, playing=True))
    assert "end Newest" in playing and "< > Speed" in playing
    assert "Mark" not in footer_of(run, 160, "5") and "esc Back" in footer_of(run, 160, "5")


def test_in_a_decision_steps_are_from_its_frame(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("left_square_bracket", "enter")
        assert "FRAME 100" in b.text
        await b.press("comma")
        assert "FRAME 99" in b.text
        await b.press("full_stop", "full_stop")
        assert "FRAME 101" in b.text and b.presenter.player.following

    drive([run], flow)


@pytest.mark.slow
def test_a_recording_is_played_paused_stepped_and_sought(run: Path) -> None:
    async def flow(b: Bench) -> None:
        assert b.presenter.head == 0 and "REPLAY 1x" in b.text
        await b.wait(3.0)
        assert b.presenter.head == 30
        await b.press("greater_than_sign")
        await b.wait(2.0)
        assert b.presenter.head == 70 and "REPLAY 2x" in b.text
        await b.press("space")
        await b.wait(50.0)
        assert b.presenter.head == 70 and "PAUSED, 6 s behind" in b.text
        await b.press("full_stop", "full_stop", "comma")
        assert b.presenter.head == 71
        await b.press("g", *"10.5s", "enter")
        assert b.presenter.head == 105 and "c isolated: silent" in b.text
        await b.press("g", *"50", "enter")
        assert b.presenter.head == 50 and "isolated" not in b.text
        await b.press("g", *"nonsense", "enter")
        assert b.presenter.head == 50
        await b.press("home")
        assert b.presenter.head == 0
        await b.press("end")
        assert b.presenter.player.following and "ENDED pass" in b.text
        await b.press("space")  # from the end it begins again
        assert b.presenter.head == 0 and b.presenter.player.playing

    drive([run], flow, player=Player(False, True))


@pytest.mark.slow
def test_a_live_run_is_followed_paused_and_followed_again(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(50).commit()

        async def flow(b: Bench) -> None:
            assert "LIVE" in b.text and b.presenter.head == 49
            story.agree(10).commit()
            await b.wait(0.1)
            assert b.presenter.head == 59
            await b.press("space")
            story.agree(10).commit()
            await b.wait(0.1)
            assert b.presenter.head == 59 and "PAUSED, 1 s behind" in b.text
            await b.press("end")
            assert b.presenter.head == 69 and "LIVE" in b.text
            story.end("fail", met=False).commit()
            await b.wait(0.1)
            assert "ENDED fail" in b.text and "sdc_escaped == 0, measured 2" in b.text
            await b.press("2")  # and still usable
            assert "NODE a" in b.text

        drive([tmp_path], flow)


@pytest.mark.slow
def test_a_run_that_begins_later_and_one_that_vanishes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()

    async def flow(b: Bench) -> None:
        assert "has not begun" in b.text
        with Story(folder / "run.db") as story:
            story.agree(12)
        await b.wait(0.1)
        assert "all 3 nodes vote and agree" in b.text
        for path in folder.iterdir():
            path.unlink()
        await b.wait(0.1)
        assert "its record is gone" in b.text
        await b.press("2", "3", "4", "5", "1")

    drive([folder], flow)


def test_a_run_that_ended_before_the_first_look_is_shown(tmp_path: Path) -> None:
    """Its process is over, its record there: there is something to look at."""
    over = [False]

    async def flow(b: Bench) -> None:
        with Story(tmp_path / "run.db") as story:
            story.agree(12).end("pass")
        over[0] = True
        await b.app.tick()
        assert b.app.return_value is None
        await b.wait(1.0)
        assert "ENDED" in b.text

    drive([tmp_path], flow, over=lambda: over[0])


def test_a_run_that_ended_without_a_record_is_left(tmp_path: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.app.tick()

    assert drive([tmp_path], flow, over=lambda: True) == "over"


def test_several_runs_at_once(run: Path, tmp_path: Path) -> None:
    with Story(tmp_path / "other" / "run.db", name="other") as story:
        story.agree(12)

    async def flow(b: Bench) -> None:
        await b.wait(2.0)
        bar = b.text.splitlines()[1]
        assert "story ENDED" in bar and "other HEALTHY" in bar
        assert "story" in b.text.splitlines()[0]
        await b.press("tab")
        assert "other" in b.text.splitlines()[0]
        await b.press("tab")
        assert "story" in b.text.splitlines()[0]

    drive([run, tmp_path / "other"], flow, size=(100, 30))


def test_help_lists_every_key_and_goes_away(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("question_mark")
        assert isinstance(b.app.screen, Help) and "acknowledge all alarms" in b.text
        await b.press("2")  # keys of the page below do nothing
        assert isinstance(b.app.screen, Help)
        await b.press("escape")
        assert not isinstance(b.app.screen, Help) and b.presenter.view is View.OVERVIEW

    drive([run], flow)


def test_the_palette_has_every_key_by_name(run: Path) -> None:
    async def flow(b: Bench) -> None:
        titles = {command.title for command in b.app.get_system_commands(b.app.screen)}
        assert {"Node", "Events", "Map", "Pause", "Go to", "Help", "Quit", "Next mark"} <= titles
        assert "Main" not in titles

    drive([run], flow)


def test_zooming_keeps_what_is_under_the_cursor(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("left_square_bracket", "left_square_bracket")
        assert "frame 60 ▲" in b.text
        await b.press("plus")
        assert "frame 60 ▲ outvoted, 1 of 4 notable" in b.text
        await b.press("plus", "enter")
        assert "FRAME 60" in b.text

    drive([run], flow)


@pytest.mark.parametrize(
    "size",
    [
        (20, 6),
        (80, 24),
        *(pytest.param(s, marks=pytest.mark.slow) for s in ((60, 15), (119, 30), (250, 80))),
        (160, 50),
    ],
)
def test_every_size_works_on_every_page(run: Path, size: tuple[int, int]) -> None:
    async def flow(b: Bench) -> None:
        for key in "12345":
            await b.press(key)
        await resize(b.app, 80, 24)
        await b.press("1")
        assert "VERDICTS" in b.text

    drive([run], flow, size=size)


def test_more_columns_on_wider_screens(run: Path) -> None:
    heads = {}
    for width in (80, 120, 160):

        async def flow(b: Bench, width: int = width) -> None:
            heads[width] = next(row for row in b.text.splitlines() if "state" in row).split()

        drive([run], flow, size=(width, 40))
    assert set(heads[80]) < set(heads[120]) < set(heads[160])
    assert {"node", "state", "link", "heard"} <= set(heads[80])


# --- a run of one's own ---------------------------------------------------------------------------


def test_quitting_a_run_that_goes_on_asks_and_leaves_it_alone(tmp_path: Path) -> None:
    ended: list[str] = []
    with Story(tmp_path / "run.db") as story:
        story.agree(12).commit()

        async def stay(b: Bench) -> None:
            await b.press("q")
            assert isinstance(b.app.screen, Confirm) and "hil watch" in b.text
            await b.press("n")
            assert not isinstance(b.app.screen, Confirm)

        async def leave(b: Bench) -> None:
            await b.press("q", "y")

        end: dict[str, Any] = {"end_run": lambda: ended.append("end")}
        assert drive([tmp_path], stay, **end) is None
        assert drive([tmp_path], leave, **end) == "detached"
        assert ended == []


@pytest.mark.slow
def test_ctrl_c_ends_a_run_of_ones_own_after_asking(tmp_path: Path) -> None:
    ended: list[str] = []
    with Story(tmp_path / "run.db") as story:
        story.agree(12).commit()

        async def flow(b: Bench) -> None:
            await b.press("ctrl+c")
            assert isinstance(b.app.screen, Confirm) and "End the run?" in b.text
            await b.press("y")
            assert ended == ["end"]
            story.end("aborted").commit()
            await b.wait(0.1)
            assert "ENDED aborted" in b.text
            await b.press("q")

        assert drive([tmp_path], flow, end_run=lambda: ended.append("end")) == "left"


def test_quitting_what_is_only_watched_asks_nothing(run: Path) -> None:
    async def flow(b: Bench) -> None:
        await b.press("q")

    assert drive([run], flow) == "left"


def test_a_run_that_ended_before_it_began_closes_the_screen(tmp_path: Path) -> None:
    async def flow(b: Bench) -> None:
        await settled(b.app)
        while not b.app._exit:
            await asyncio.sleep(0.01)

    assert drive([tmp_path], flow, over=lambda: True) == "over"


# --- commands -------------------------------------------------------------------------------------


class Remote:
    """Takes commands, and remembers them."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str]]] = []

    def commands(self, run: Path) -> Sequence[KeyCommand]:
        return [
            KeyCommand("isolate", "take a node out", node=True),
            KeyCommand("note", "a remark", more="text=", sure=False),
        ]

    def send(self, run: Path, command: str, words: Sequence[str]) -> tuple[bool, str]:
        self.told.append((command, list(words)))
        return True, "done"


@pytest.mark.slow
def test_commands_are_sent_only_after_asking(run: Path) -> None:
    remote = Remote()

    async def flow(b: Bench) -> None:
        await b.press("down", "down")
        isolate, note = remote.commands(run)
        b.app.send_command(isolate)
        await b.wait(0.0)
        assert isinstance(b.app.screen, Confirm) and "isolate node=b?" in b.text
        await b.press("n")
        assert remote.told == []
        b.app.send_command(isolate)
        await b.wait(0.0)
        await b.press("y")
        await b.app.workers.wait_for_complete()
        assert remote.told == [("isolate", ["node=b"])]
        b.app.send_command(note)
        await settled(b.app)
        await b.press("end", *"hello", "enter")
        await b.app.workers.wait_for_complete()
        assert remote.told[1][0] == "note"

    drive([run], flow, control=remote)


def test_acknowledging_is_recorded_where_commands_are_taken(run: Path) -> None:
    remote = Remote()

    async def flow(b: Bench) -> None:
        await b.press("a")
        await b.app.workers.wait_for_complete()

    drive([run], flow, control=remote)
    assert remote.told == [("acknowledge", ["alarm=isolated.c"])]


def test_a_defect_of_the_screen_is_raised_to_the_caller(run: Path) -> None:
    async def flow(b: Bench) -> None:
        b.presenter.refresh = lambda *_: 1 / 0
        await b.wait(5.0)

    with pytest.raises(ZeroDivisionError):
        drive([run], flow)


def test_a_screen_that_ends_while_it_reads_leaves_no_record_open(run: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    desks = []

    async def flow(b: Bench) -> None:
        presenter = b.presenter
        desks.append(presenter)
        refresh = presenter.refresh

        def slowly(width: int, height: int) -> None:
            begun.set()
            go_on.wait(10)
            presenter.source.close()  # as if the record had come anew
            refresh(width, height)

        presenter.refresh = slowly
        b._times[0] += 5.0
        looking = asyncio.ensure_future(b.app.look())
        await asyncio.to_thread(begun.wait, 10)
        looking.cancel()
        threading.Timer(0.05, go_on.set).start()

    drive([run], flow)
    assert go_on.is_set() and desks[0].source._db is None


def test_a_look_waits_for_the_end_of_one_that_was_called_off(run: Path) -> None:
    """Both would read by the same connection, in two threads."""
    begun, second, go_on = threading.Event(), threading.Event(), threading.Event()
    reading: list[int] = []
    most: list[int] = []

    async def flow(b: Bench) -> None:
        refresh = b.presenter.refresh

        def slowly(width: int, height: int) -> None:
            (second if begun.is_set() else begun).set()
            reading.append(1)
            most.append(len(reading))
            go_on.wait(10)
            refresh(width, height)
            reading.pop()

        b.presenter.refresh = slowly
        b._times[0] += 5.0
        looking = asyncio.ensure_future(b.app.look())
        await asyncio.to_thread(begun.wait, 10)
        looking.cancel()
        b._times[0] += 5.0
        again = asyncio.ensure_future(b.app.look())
        await asyncio.to_thread(second.wait, 0.3)  # it must not come
        go_on.set()
        await again

    drive([run], flow)
    assert len(most) > 1 and max(most) == 1
