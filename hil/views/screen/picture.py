"""A picture of the screen, without a terminal: for documents.

python -m hil.views.screen.picture RUN FILE.svg [--size 100x30] [--frame N] [--keys "down enter"]
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from hil.views.screen.app import ScreenApp
from hil.views.screen.model.playback import Player

__all__ = ["picture"]


async def picture(run: Path, size: tuple[int, int], frame: int | None, keys: Sequence[str]) -> str:
    """Return the screen of `run` at `frame` (None: the newest) after these keys, as SVG."""
    player = Player() if frame is None else Player(following=False, at=frame)
    app = ScreenApp([run], player=player, clock=lambda: 0.0)
    async with app.run_test(size=size) as pilot:
        await app.look()
        for key in keys:
            await pilot.press(key)
        while app.presenter.moving or not app.presenter.scene_reader.history.read_on(1.0):
            await app.look()
        app.presenter.refresh(*app.lines.size)
        app.lines.show(app.presenter.page())
        await pilot.pause()
        return app.export_screenshot(title=f"hil watch {run}")


def main() -> None:
    """Parse the command line, and write the picture."""
    parser = argparse.ArgumentParser(description="A picture of the screen of a run.")
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--size", default="100x30")
    parser.add_argument("--frame", type=int)
    parser.add_argument("--keys", default="")
    options = parser.parse_args()
    width, height = (int(number) for number in options.size.split("x"))
    svg = asyncio.run(picture(options.run, (width, height), options.frame, options.keys.split()))
    options.file.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
