"""Every page in every severity, at 80x24 and 140x40, as text: look at tests/views/screens.

HIL_UPDATE_GOLDEN=1 writes them anew; look at the difference before it is committed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.record.live import LiveRecord
from hil.views.screen.app import ScreenApp
from tests.amount import mostly_slow
from tests.views.picture import text_of
from tests.views.story import Story
from tests.views.terminal import press, settled

SCREENS = Path(__file__).parent / "screens"
SIZES = ((80, 24), (140, 40))
BACK = "left_square_bracket"
PAGES = {
    "overview": ["1"],
    "node": ["2", "left"],
    "decision": ["3", BACK],
    "events": ["4"],
    "map": ["5"],
}
"""The keys to each page: the last node, the last frame that was more than agreement."""


def good(s: Story) -> None:
    s.orbit().agree(180).outvoted("b").agree(30).plant().agree(22)


def degraded(s: Story) -> None:
    s.orbit().agree(60).outvoted("a").agree(40).isolate("c").agree(120).plant(soc=0.35).agree(8)


def failing(s: Story) -> None:
    s.agree(90).isolate("c").agree(40).upset("a", outcome="detected_unresolved").differ(a=1, b=2)


def wrong(s: Story) -> None:
    s.agree(120).anomaly("b").agree(8).upset("a", outcome="sdc_escaped").wrong()


def alarmed(s: Story) -> None:
    s.orbit().agree(60)
    s.temperatures["b"] = 79.0
    s.agree(50)
    s.temperatures["c"] = 91.0
    s.plant(c=88.0).agree(60).wrong().agree(10)


def stale(s: Story) -> None:
    s.agree(150).outvoted("a").agree(10)


def ended(s: Story) -> None:
    s.orbit().agree(100).outvoted("c").agree(40).end("fail", met=False)


STORIES: dict[str, Callable[[Story], None]] = {
    "good": good,
    "degraded": degraded,
    "failing": failing,
    "wrong": wrong,
    "alarmed": alarmed,
    "stale": stale,
    "ended": ended,
}


async def pictures(run: Path, *, ascii_only: bool = False) -> dict[str, str]:
    """All pages of a run, in all sizes."""
    found = {}
    for width, height in SIZES:
        app = ScreenApp([run], ascii_only=ascii_only, clock=lambda: 0.0)
        async with app.run_test(size=(width, height)):
            await app.look()
            for page, keys in PAGES.items():
                for key in keys:
                    await press(app, key)
                await app.look()
                await settled(app)
                picture = text_of(app.export_screenshot(), width, height)
                found[f"{page}-{width}x{height}"] = picture
    return found


def compare(name: str, found: dict[str, str]) -> None:
    different = []
    for page, picture in found.items():
        path = SCREENS / f"{page}-{name}.txt"
        if os.environ.get("HIL_UPDATE_GOLDEN"):
            SCREENS.mkdir(exist_ok=True)
            path.write_text(picture, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != picture:
            different.append(f"{path.name} is now:\n{picture}")
    assert not different, "\n".join(different)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", mostly_slow(STORIES, keep=2))
def test_every_page_in_every_severity(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "stale":
        monkeypatch.setattr(LiveRecord, "age_s", lambda _self: 42.0)
    with Story(Path("run/run.db")) as story:
        STORIES[name](story)
    compare(name, asyncio.run(pictures(Path("run"))))


@pytest.mark.slow
@pytest.mark.usefixtures("fresh")
def test_ascii_is_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Story(Path("run/run.db")) as story:
        degraded(story)
    found = asyncio.run(pictures(Path("run"), ascii_only=True))
    assert [page for page, picture in found.items() if not picture.isascii()] == []
    compare("ascii", {page: text for page, text in found.items() if page.endswith("80x24")})
