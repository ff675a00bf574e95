"""The screen: how soon a long record is on it, and what keeping it there costs."""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hil.perf.long_record import FRAMES_PER_S, write_record
from hil.perf.row import PerfRow, seconds
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View

_SIZE = (140, 40)


def screen(quick: bool) -> Iterator[PerfRow]:
    """Opening, seeking and playing the record of a week (quick: of an hour)."""
    span = 3600 if quick else 7 * 86_400
    what = "an hour" if quick else "a week"
    with tempfile.TemporaryDirectory(prefix="hil-perf-") as folder:
        frames = write_record(Path(folder) / "run.db", span, nodes=7)
        note = f"{frames:,} frames of seven nodes, an upset a minute, {_SIZE[0]}x{_SIZE[1]}"
        yield _opening(Path(folder), what, note)
        yield _seeking(Path(folder), frames, what, note)
        yield from _following(Path(folder), frames)


def _presenter(folder: Path) -> Presenter:
    return Presenter(folder, Marks(), Player(), time.monotonic)


def _look(presenter: Presenter) -> None:
    presenter.refresh(*_SIZE)
    presenter.page()


def _opening(folder: Path, what: str, note: str) -> PerfRow:
    def opened() -> None:
        presenter = _presenter(folder)
        _look(presenter)
        presenter.source.close()

    taken = min(seconds(opened) for _ in range(3))
    return PerfRow(
        f"screen opens the record of {what}", taken, "s", "", None, None, "< 2 s", taken < 2, note
    )


def _seeking(folder: Path, frames: int, what: str, note: str) -> PerfRow:
    """The worst of many seeks on every page."""
    presenter = _presenter(folder)
    _look(presenter)
    worst, every = 0.0, []
    for view in View:
        presenter.go(view)
        for k in range(1, 12):
            began = time.perf_counter()
            presenter.view = view
            presenter.frame = None
            presenter.player = presenter.player.seek(
                frames * (k * 7 % 12) // 12, frames, time.monotonic()
            )
            _look(presenter)
            taken = time.perf_counter() - began
            every.append(taken)
            worst = max(worst, taken)
    presenter.source.close()
    middle = statistics.median(every)
    return PerfRow(
        f"screen seeks in the record of {what}: worst",
        worst,
        "s",
        "its median",
        middle,
        worst / middle,
        "< 0.3 s",
        worst < 0.3,
        note,
    )


def _following(folder: Path, frames: int) -> Iterator[PerfRow]:
    """The share of a core that one look after each of ten frames a second takes, without drawing;
    and whether playing makes memory grow."""
    presenter = _presenter(folder)
    now = 0.0
    presenter = Presenter(folder, Marks(), Player(False, True, 1.0, frames // 2), lambda: now)
    for _ in range(200):  # what is kept is kept from now on
        now += 0.1
        _look(presenter)
    looks = min(2000, frames // 4)
    before, cpu = _resident(), time.process_time()
    for _ in range(looks):
        now += 0.1
        _look(presenter)
    cpu = time.process_time() - cpu
    share = cpu / (looks / FRAMES_PER_S)
    yield PerfRow(
        "screen, looking at 10 frames/s of 7 nodes",
        100 * share,
        "% of a core",
        "",
        None,
        None,
        "<= 5 %",
        share <= 0.05,
        "reading and painting; drawing comes on top",
    )
    presenter.player = presenter.player.seek(0, frames, now)
    for _ in range(looks):
        now += 36.0  # an hour of flight in ten seconds
        if presenter.head >= frames - 1:
            presenter.player = presenter.player.seek(0, frames, now)
        _look(presenter)
    grown = _resident() - before
    presenter.source.close()
    yield PerfRow(
        "memory growth, replay at full speed",
        grown / 1024,
        "MiB",
        "",
        None,
        None,
        "< 8 MiB",
        grown < 8 * 1024,
        f"peak over {2 * looks} pages",
    )


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
