"""Shows the screen on the terminal, or prints its first page once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.text import Text

from hil.record.live import State
from hil.views.ended_by_signals import run_app
from hil.views.screen.app import ScreenApp
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter
from hil.views.screen.run_control import Control

__all__ = ["once", "show"]


def show(
    runs: Sequence[Path],
    *,
    replay: bool = False,
    ascii_only: bool = False,
    control: Control | None = None,
    end_run: Callable[[], None] | None = None,
    over: Callable[[], bool] = lambda: False,
    leave_after_s: float | None = None,
) -> str:
    """Show `runs` until the user leaves; return the reason: left, detached, interrupted, over or
    failed.

    `replay` begins at the first frame, playing. `end_run` ends the (one) run, `over` returns
    whether its process has ended; `leave_after_s` [s] later the screen leaves by itself.
    Raises: the error that ended the screen."""
    with contextlib.suppress(OSError):
        os.nice(10)  # the run has priority on the processor
    player = Player(following=not replay, playing=replay, since_s=time.monotonic())
    app = ScreenApp(
        runs,
        player=player,
        ascii_only=ascii_only,
        control=control,
        end_run=end_run,
        over=over,
        leave_after_s=leave_after_s,
    )
    result = run_app(app)
    if app.failure is not None:
        raise app.failure
    return result or "left"


def once(runs: Sequence[Path], width: int, height: int, *, ascii_only: bool) -> tuple[Text, bool]:
    """Return the overview of each run as text, and whether all of them could be read."""
    pages, readable = [], True
    for run in runs:
        presenter = Presenter(run, Marks(ascii_only=ascii_only), Player(), time.monotonic)
        presenter.refresh(width, height)
        pages += presenter.page()
        readable = readable and presenter.source.state is not State.LOST
        presenter.source.close()
    return Text("\n").join(pages), readable
