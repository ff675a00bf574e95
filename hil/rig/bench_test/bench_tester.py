"""The test of a bench as a whole, from its boards to the report of `hil bench test`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from hil.clock import HOST, Clock
from hil.errors import UsageError
from hil.rig.bench_test.board_links import BoardLinks, BoardUnderTest
from hil.rig.bench_test.link_check import LinkCheck
from hil.rig.bench_test.link_measurement import SYSFS
from hil.rig.discovery.probe import has_rate
from hil.scenario.bench import BenchBoardConfig, BenchConfig
from hil.scenario.bench_report import AgentFacts, BenchTestReport, BoardReport

__all__ = ["BenchTester", "boards_to_test"]

_SLOW_TIMER_MS = 1


def boards_to_test(bench: BenchConfig, use: Sequence[str]) -> tuple[BenchBoardConfig, ...]:
    """Return the boards of the bench that are named in `use`; if it is empty all but those that are
    marked absent. Raises: UsageError if there is no such board, or none to test."""
    names = [board.name for board in bench.boards]
    for name in use:
        if name not in names:
            raise UsageError(f"the bench has no board `{name[:80]}`; it has {', '.join(names)}")
    boards = tuple(b for b in bench.boards if (b.name in use if use else not b.absent))
    if not boards:
        raise UsageError(
            "all boards of the bench are marked absent",
            remedy="run `hil discover -o FILE` when they are plugged in, or name some with --use",
        )
    return boards


class BenchTester:
    """Tests `boards` of the bench in `file`. `announce` gets a sentence about each step; `sysfs` is
    where the system shows its devices."""

    def __init__(
        self,
        file: Path,
        boards: Sequence[BenchBoardConfig],
        announce: Callable[[str], None] = lambda _: None,
        *,
        sysfs: Path = SYSFS,
        clock: Clock = HOST,
    ) -> None:
        self._file = file
        self._announce = announce
        self._boards = [BoardUnderTest(b, n, None, clock) for n, b in enumerate(boards)]
        self._links = BoardLinks(self._boards, clock)
        self._check = LinkCheck(self._links, announce, sysfs)

    def run(self) -> BenchTestReport:
        """Test the links.

        Raises: PortError if another program uses a port of the bench."""
        with closing(self._links):
            self._check.open_all()
            self._check.identify_all()
            self._check.measure_all()
        return self._report()

    def _report(self) -> BenchTestReport:
        return BenchTestReport(
            bench=str(self._file),
            boards=tuple(self._row(board) for board in self._boards),
            findings=tuple(self._check.findings),
            notes=tuple(self._notes()),
        )

    def _row(self, board: BoardUnderTest) -> BoardReport:
        hello = board.hello
        agent = None
        if hello is not None:
            agent = AgentFacts(hello.board, hello.arch, hello.serial or None, hello.version)
        return BoardReport(
            board=board.name,
            place=board.port,
            baud=board.config.baud if has_rate(board.port) else None,
            agent=agent,
            link=self._check.figures.get(board.name),
        )

    def _notes(self) -> list[str]:
        notes: list[str] = []
        for board in self._boards:
            figures = self._check.figures.get(board.name)
            if figures is None:
                continue
            timer_ms = figures.latency_timer_ms
            if timer_ms is not None and timer_ms > _SLOW_TIMER_MS:
                device = Path(board.port).resolve().name
                notes.append(
                    f"{board.name}: the latency timer of its adapter is {timer_ms} ms, by which "
                    "answers are late; try: echo 1 | sudo tee "
                    f"/sys/class/tty/{device}/device/latency_timer"
                )
            if figures.repeats:
                notes.append(
                    f"{board.name}: {figures.repeats} of the round trips needed a repetition: the "
                    "line loses frames"
                )
        return notes
