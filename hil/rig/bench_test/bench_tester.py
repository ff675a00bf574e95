"""The test of a bench as a whole, from its boards to the report of `hil bench test`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import UsageError
from hil.rig.bench_test.board_links import BoardLinks, BoardUnderTest
from hil.rig.bench_test.link_check import LinkCheck
from hil.rig.bench_test.power_check import PowerCheck
from hil.rig.bench_test.power_cycle import CyclePatience
from hil.rig.bench_test.root_check import RootCheck
from hil.rig.bench_test.switched_outputs import SwitchedOutputs
from hil.rig.discovery.probe import has_rate
from hil.rig.low_latency import SYSFS
from hil.rig.power import Power
from hil.scenario.bench import BenchBoardConfig, BenchConfig
from hil.scenario.bench_choice import boards_of
from hil.scenario.bench_report import AgentFacts, BenchFault, BenchTestReport, BoardReport
from hil.scenario.supply import SupplyKind

__all__ = ["BenchTester", "boards_to_test", "switched_boards"]

_UNSURE: Final = frozenset({BenchFault.SAME_BOARD, BenchFault.OTHER_BOARD})
"""A board with one of these faults is not that of the bench file: its power is not switched."""


def boards_to_test(bench: BenchConfig, use: Sequence[str]) -> tuple[BenchBoardConfig, ...]:
    """Return the boards of the bench that `use` chooses; if it is empty all but those that are
    marked absent. Raises: UsageError if there is no such board, or none to test."""
    boards = boards_of(bench, use) if use else tuple(b for b in bench.boards if not b.absent)
    if not boards:
        raise UsageError(
            "all boards of the bench are marked absent",
            remedy="run `hil discover -o FILE` when they are plugged in, or name some with --use",
        )
    return boards


def switched_boards(boards: Sequence[BenchBoardConfig]) -> list[str]:
    """Return the names of the boards whose power a test switches: those with a supply that needs no
    person, and is not simulated."""
    kinds = {SupplyKind.MANUAL, SupplyKind.MOCK}
    return [b.name for b in boards if b.power is not None and b.power.kind not in kinds]


class BenchTester:
    """Tests `boards` of the bench in `file`; `powers` has the supplies of those whose power may be
    switched, by their names. `announce` gets a sentence about each step; `sysfs` is where the
    system shows its devices; only inside `interruptible` may a signal raise: power is given back
    behind it."""

    def __init__(
        self,
        file: Path,
        boards: Sequence[BenchBoardConfig],
        powers: Mapping[str, Power],
        announce: Callable[[str], None] = lambda _: None,
        *,
        patience: CyclePatience = CyclePatience(),  # noqa: B008 (frozen)
        sysfs: Path = SYSFS,
        clock: Clock = HOST,
        interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._file = file
        self._boards = [
            BoardUnderTest(b, n, powers.get(b.name), clock, sysfs) for n, b in enumerate(boards)
        ]
        self._links = BoardLinks(self._boards, clock)
        outputs = SwitchedOutputs(clock, announce)
        self._power = PowerCheck(self._links, outputs, announce, patience)
        self._check = LinkCheck(self._links, announce, self._power.wake, sysfs)
        self._roots = RootCheck(announce)
        self._interruptible = interruptible

    def run(self) -> BenchTestReport:
        """Test links and supplies. However it ends, each output is left as it was found.

        Raises: PortError if another program uses a port of the bench: nothing was switched then."""
        with closing(self._links):
            self._check.open_all()
            try:
                with self._interruptible():
                    self._power.switch_on_all()
                    self._check.identify_all()
                    self._check.measure_all()
                    for board in self._boards:
                        self._roots.look(board)
                    self._power.cycle_all(self._is_sure)
            finally:
                self._power.restore()
        return self._report()

    def _is_sure(self, board: BoardUnderTest) -> bool:
        """Return whether a board answers, and is the one of the bench file."""
        if not board.node.link.connected or board.hello is None:
            return False
        return not any(
            board.name in finding.boards and finding.fault in _UNSURE
            for finding in self._check.findings
        )

    def _report(self) -> BenchTestReport:
        return BenchTestReport(
            bench=str(self._file),
            boards=tuple(self._row(board) for board in self._boards),
            findings=(*self._check.findings, *self._power.findings),
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
            power=self._power.figures(board),
            root=self._roots.states.get(board.name),
        )

    def _notes(self) -> list[str]:
        notes: list[str] = []
        for board in self._boards:
            if board.node.remark:
                notes.append(f"{board.name}: {board.node.remark}")
            figures = self._check.figures.get(board.name)
            if figures is None:
                continue
            if figures.repeats:
                notes.append(
                    f"{board.name}: {figures.repeats} of the round trips needed a repetition: the "
                    "line loses frames"
                )
        return notes + self._roots.notes
