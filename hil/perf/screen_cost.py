"""Speed of the screen on a long record: opening, seeking and following it, and its memory."""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hil.perf.long_record import FRAMES_PER_S, write_record
from hil.perf.row import PerfRow, Reference, make_row, seconds
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View

_SIZE = (140, 40)


def screen(quick: bool) -> Iterator[PerfRow]:
    """Measure opening, seeking and playing the record of a week (quick: of an hour)."""
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
    """Compose a page, without drawing it."""
    presenter.refresh(*_SIZE)
    presenter.page()


def _opening(folder: Path, what: str, note: str) -> PerfRow:
    def opened() -> None:
        presenter = _presenter(folder)
        _look(presenter)
        presenter.source.close()

    taken = min(seconds(opened) for _ in range(3))
    return make_row(
        f"screen opens the record of {what}", taken, "s", target="< 2 s", ok=taken < 2, note=note
    )


def _seeking(folder: Path, frames: int, what: str, note: str) -> PerfRow:
    """Measure many seeks on every page: the slowest of them, and their median."""
    presenter = _presenter(folder)
    _look(presenter)
    every: list[float] = []
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
            every.append(time.perf_counter() - began)
    presenter.source.close()
    worst = max(every)
    return make_row(
        f"screen seeks in the record of {what}: worst",
        worst,
        "s",
        target="< 0.3 s",
        ok=worst < 0.3,
        reference=Reference("its median", statistics.median(every)),
        note=note,
    )


def _following(folder: Path, frames: int) -> Iterator[PerfRow]:
    """Measure the share of a core that composing ten pages a second takes, without drawing them,
    and how much the memory grows while a record is played."""
    presenter = _presenter(folder)
    now = 0.0
    presenter = Presenter(folder, Marks(), Player(False, True, 1.0, frames // 2), lambda: now)
    for _ in range(200):  # fills the caches before the memory is measured
        now += 0.1
        _look(presenter)
    looks = min(2000, frames // 4)
    before, cpu = _resident(), time.process_time()
    for _ in range(looks):
        now += 0.1
        _look(presenter)
    cpu = time.process_time() - cpu
    share = cpu / (looks / FRAMES_PER_S)
    yield make_row(
        "screen, looking at 10 frames/s of 7 nodes",
        100 * share,
        "% of a core",
        target="<= 5 %",
        ok=share <= 0.05,
        note="reading the record and composing pages, without drawing them",
    )
    presenter.player = presenter.player.seek(0, frames, now)
    for _ in range(looks):
        now += 36.0  # an hour of the record in 100 pages, ten seconds of playing
        if presenter.head >= frames - 1:
            presenter.player = presenter.player.seek(0, frames, now)
        _look(presenter)
    grown = _resident() - before
    presenter.source.close()
    yield make_row(
        "memory growth, replay at full speed",
        grown / 1024,
        "MiB",
        target="< 8 MiB",
        ok=grown < 8 * 1024,
        note=f"peak over {2 * looks} pages",
    )


def _resident() -> int:
    """Return the peak of this process's memory [KiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
