"""The screen stays alive whatever is typed, clicked, pasted or resized, however fast.

What a terminal sends is given to Textual's own parser as bytes, in bursts: a user who holds Enter
sends the second one before the screen has answered the first. No key waits for the one before it.
150 keys by default; 2 500 with `-m slow`, 10 000 on twenty with `-m stress`.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from textual.events import Key, Paste

from hil.views.screen.app import ScreenApp
from hil.views.screen.dialogs import Ask, Confirm, Help, Palette
from tests.amount import mostly_slow, mostly_stress
from tests.views.story import Story
from tests.views.terminal import resize, send, settled
from tests.views.test_screen_keys import Remote

pytestmark = pytest.mark.usefixtures("fresh")

SIZES = ((80, 24), (30, 8), (160, 50))
BURST = 12
KEYS = 10_000
SEEDS = 20

PLAIN = [*"123456789", *"abcdefghijklmnoprstuvwxyz", *"ANYQG?/[]{},.<>+-=:;'\"` ", "ä", "✘", "²"]
COMMON = ["\r", "\x1b", "y", "n", "q", "?", "g", "/", "\t", " ", "\x10"] * 3
CONTROL = [
    "\x03",
    "\x08",
    "\x7f",
    "\x1b[Z",
    "\x1b[A",
    "\x1b[B",
    "\x1b[C",
    "\x1b[D",
    "\x1b[H",
    "\x1b[F",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[3~",
    "\x1bOP",
    "\x1b[15~",
    "\x01",
    "\x05",
    "\x0b",
    "\x15",
    "\x17",
    "\x16",
    "\x1a",
    "\x1b[1;5C",
    "\x1b[1;2A",
    "\x1b\x1b",
]
PASTES = ["12", "1h30m", "node=a", "[/red]", "\r\r", "target=state bit=7", "\x00\x07", "9" * 80]


def typed(choose: random.Random, width: int, height: int) -> str:
    """Something that a terminal may send."""
    kind = choose.random()
    if kind < 0.45:
        return choose.choice(COMMON)
    if kind < 0.70:
        return choose.choice(PLAIN)
    if kind < 0.86:
        return choose.choice(CONTROL)
    if kind < 0.97:
        x, y = choose.randint(1, width + 1), choose.randint(1, height + 1)
        button = choose.choice((0, 0, 0, 1, 2, 32, 35, 64, 65))
        press = f"\x1b[<{button};{x};{y}M"
        return press if button >= 32 else f"{press}\x1b[<{button};{x};{y}m"
    if kind < 0.99:
        return f"\x1b[200~{choose.choice(PASTES)}\x1b[201~"
    return choose.choice(("\x1b[I", "\x1b[O"))  # the terminal got, or lost, the focus


@dataclass
class Live:
    """Records of every kind; the live one goes on as long as it is watched."""

    folder: Path
    story: Story = field(init=False)

    def __post_init__(self) -> None:
        self.story = Story(self.folder / "live" / "run.db")
        self.story.orbit().agree(20).outvoted("a").plant().agree(9).commit()
        with Story(self.folder / "paused" / "run.db") as paused:
            paused.agree(12).outvoted("b").agree(2)
            paused.recorder.command(
                paused.frame, ("ann", 1, 2), "pause", "{}", ok=True, answer="paused"
            )
        with Story(self.folder / "ended" / "run.db") as ended:
            ended.orbit().agree(20).outvoted("a").agree(39).isolate("c").plant().agree(9)
            ended.wrong().anomaly("b").end()
        (self.folder / "broken").mkdir()
        whole = (self.folder / "ended" / "run.db").read_bytes()
        (self.folder / "broken" / "run.db").write_bytes(whole[: len(whole) // 2])
        (self.folder / "empty").mkdir()

    @property
    def runs(self) -> list[Path]:
        return [self.folder / name for name in ("live", "paused", "ended", "broken", "empty")]

    def go_on(self, choose: random.Random) -> None:
        """Something happens in the live run."""
        what = choose.random()
        if what < 0.5:
            self.story.agree(choose.randint(1, 5))
        elif what < 0.75:
            self.story.outvoted(choose.choice("ab"))
        elif what < 0.8:
            self.story.wrong()
        else:
            self.story.anomaly("c").agree()
        self.story.commit()

    def breaks(self, choose: random.Random) -> None:
        """A record vanishes, or comes back damaged, whole, or as another one."""
        source = self.folder / choose.choice(("ended", "paused", "broken")) / "run.db"
        place = self.folder / "empty" / "run.db"
        if place.exists() and choose.random() < 0.5:
            place.unlink()
        else:
            shutil.copy(source, self.folder / "copy.db")
            (self.folder / "copy.db").replace(place)


async def survive(
    runs: list[Path], live: Live, choose: random.Random, size: tuple[int, int], keys: int
) -> int:
    """Type `keys` times on a screen of `runs`, and begin again when it is left; how often it was.

    Whatever goes wrong in the screen is raised."""
    begun, done = 0, 0
    while done < keys:
        begun += 1
        times = [0.0]
        end_run = (lambda: None) if choose.random() < 0.3 else None
        app = ScreenApp(
            runs,
            clock=partial(times.__getitem__, 0),
            control=Remote(),
            end_run=end_run,
            ascii_only=choose.random() < 0.2,
        )
        async with app.run_test(size=size):
            width, height = size
            while done < keys and not app._exit:
                burst = choose.randint(1, BURST)
                for _ in range(burst):
                    await send(app, typed(choose, width, height))
                done += burst
                times[0] += choose.choice((0.0, 0.1, 2.0))
                await settled(app)
                if choose.random() < 0.02:
                    width, height = choose.choice((size, choose.choice(SIZES), (1, 1)))
                    await resize(app, width, height)
                if choose.random() < 0.1:
                    live.go_on(choose)
                if choose.random() < 0.02:
                    live.breaks(choose)
        if app.failure is not None:
            raise app.failure
        assert app.return_value in {None, "left", "detached", "interrupted"}
    return begun


SOME = [(1, 1_000)]
ALL = [(seed, KEYS) for seed in range(SEEDS)]  # 95 s each, on an idle core
MANY = mostly_stress([*SOME, *ALL], keep=len(SOME), timeout_s=1800)


@pytest.mark.parametrize(("seed", "keys"), [(0, 150), *MANY])
def test_random_keys_clicks_pastes_and_sizes_leave_the_screen_alive(
    tmp_path: Path, seed: int, keys: int
) -> None:
    live = Live(tmp_path)
    choose = random.Random(seed)
    size = SIZES[seed % len(SIZES)]
    runs = live.runs
    if seed % 3 == 1:  # one record alone: no other to go to
        runs = [runs[seed // 3 % len(runs)]]
    with live.story:
        asyncio.run(survive(runs, live, choose, size, keys))


DIALOGS = {
    "help": ("?", Help),
    "a question": ("g", Ask),
    "leaving": ("q", Confirm),
    "commands": ("\x10", Palette),
}


BURSTS = ["\r\r", "\r\x1b\r", "\x1b\x1b\x1b[A\x1b", "yy", "nn", "y\r", "??", "qq", "\x03\x03"]


@pytest.mark.parametrize("burst", mostly_slow(BURSTS, keep=2))
@pytest.mark.parametrize("dialog", list(DIALOGS))
def test_keys_that_come_faster_than_a_dialog_goes_away_do_no_harm(
    tmp_path: Path, dialog: str, burst: str
) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(12).commit()
        key, kind = DIALOGS[dialog]

        async def go() -> ScreenApp:
            app = ScreenApp([tmp_path], clock=lambda: 0.0, end_run=lambda: None)
            async with app.run_test(size=(80, 24)):
                await settled(app)
                await send(app, key)
                await settled(app)
                assert isinstance(app.screen, kind)
                await send(app, burst)
                await settled(app)
            return app

        app = asyncio.run(go())
    if app.failure is not None:
        raise app.failure


def test_a_list_that_lost_its_room_has_no_pages(tmp_path: Path) -> None:
    """The window is made tiny while the list of commands is open."""
    with Story(tmp_path / "run.db") as story:
        story.agree(12).commit()

        async def go() -> ScreenApp:
            app = ScreenApp([tmp_path], clock=lambda: 0.0)
            async with app.run_test(size=(80, 24)):
                await settled(app)
                await send(app, "\x10")
                await settled(app)
                await resize(app, 1, 1)
                for key in ("\x1b[5~", "\x1b[6~", "\x1b[A", "\x1b[B"):
                    await send(app, key)
                    await settled(app)
                assert isinstance(app.screen, Palette)
            return app

        app = asyncio.run(go())
    if app.failure is not None:
        raise app.failure


def test_keys_that_come_while_the_last_screen_is_taken_down_have_nowhere_to_go(
    tmp_path: Path,
) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(12).commit()

        async def go() -> None:
            app = ScreenApp([tmp_path], clock=lambda: 0.0)
            async with app.run_test(size=(80, 24)):
                await settled(app)
                screens = app._screen_stack[:]
                app._screen_stack.clear()
                try:
                    for event in (Key("escape", None), Key("q", "q"), Paste("x")):
                        await app.on_event(event)
                finally:
                    app._screen_stack.extend(screens)

        asyncio.run(go())
