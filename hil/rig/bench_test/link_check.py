"""The first half of the test of a bench: every board's port, agent, identity and line.

Nothing is switched here. All ports are opened before anything else is done, so that a bench that
another program uses is refused as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hil.errors import LinkTimeout, SetupError, VersionMismatch
from hil.rig.bench_test.board_links import BoardLinks, BoardUnderTest
from hil.rig.bench_test.diagnosis import (
    finding_of_error,
    finding_of_line,
    finding_of_silence,
    identity_finding,
)
from hil.rig.bench_test.duplicates import same_adapters, same_agents, same_ports
from hil.rig.bench_test.link_measurement import measure_link
from hil.rig.discovery.adapters import Adapter, adapters, matching
from hil.rig.low_latency import SYSFS
from hil.rig.transport import PortError, PortFault
from hil.scenario.bench_report import BenchFault, BenchFinding, LinkFigures

__all__ = ["LinkCheck"]


@dataclass(slots=True)
class LinkCheck:
    """Checks the links of the boards of `links`. `announce` gets a sentence about what takes long;
    `wake` switches a silent board on, if that may help, and returns whether it did. `findings` and
    `figures` (by the names of boards) are the results so far."""

    links: BoardLinks
    announce: Callable[[str], None]
    wake: Callable[[BoardUnderTest], bool] = lambda _: False
    sysfs: Path = SYSFS
    list_adapters: Callable[[], Sequence[Adapter]] = adapters
    findings: list[BenchFinding] = field(default_factory=list)
    figures: dict[str, LinkFigures] = field(default_factory=dict)
    _heard_at_us: dict[str, int] = field(default_factory=dict)
    _unopened: dict[str, BenchFinding] = field(default_factory=dict)

    def open_all(self) -> None:
        """Open all ports that can be opened.

        Raises: PortError if another program uses one of them: the bench is not free."""
        here = self.list_adapters()
        boards = self.links.boards
        for board in boards:
            named = [] if board.config.adapter is None else matching(board.config.adapter, here)
            if len(named) == 1:
                board.board.port = named[0].device
        self.findings += same_adapters(boards, here) + same_ports(boards)
        for board in boards:
            if not self.has_fault(board):
                self._open(board)

    def _open(self, board: BoardUnderTest) -> None:
        try:
            self.links.open(board)
        except PortError as error:
            if error.why is PortFault.BUSY:
                raise
            self._unopened[board.name] = finding_of_error(board, BenchFault.UNREACHABLE, error)
        except SetupError as error:
            self._unopened[board.name] = finding_of_error(board, BenchFault.UNREACHABLE, error)

    def has_fault(self, board: BoardUnderTest) -> bool:
        """Return whether a fault of a board was found so far."""
        return any(board.name in finding.boards for finding in self.findings)

    def identify_all(self) -> None:
        """Identify the agents behind all ports, and compare them with the bench file. A port that
        could not be opened may be there by now: its adapter had no power."""
        for board in self.links.boards:
            if board.node.link.connected or (board.name in self._unopened and self.wake(board)):
                self._identify(board)
            elif board.name in self._unopened:
                self.findings.append(self._unopened[board.name])
        self.findings += same_agents(self.links.boards, self._heard_at_us)

    def _diagnose(self, board: BoardUnderTest, silence: LinkTimeout, *, may_retry: bool) -> None:
        """Find out why a board does not answer; it may boot, or have no power."""
        self.links.release(board)
        self.announce(f"{board.name} does not answer; its line is tried at other rates")
        finding = finding_of_silence(board)
        if may_retry and finding is None:
            self._open(board)
            self._identify(board, may_retry=False)
        elif may_retry and finding and finding.fault is BenchFault.NO_ANSWER and self.wake(board):
            self._open(board)  # with power it may answer, or show another fault
            self._identify(board, may_retry=False)
        else:
            lossy = finding_of_error(board, BenchFault.NO_ANSWER, silence)
            self.findings.append(finding or lossy)

    def _identify(self, board: BoardUnderTest, *, may_retry: bool = True) -> None:
        try:
            self.links.identify(board)
        except VersionMismatch as error:
            self.findings.append(finding_of_error(board, BenchFault.WRONG_VERSION, error))
            return
        except LinkTimeout as error:
            self._diagnose(board, error, may_retry=may_retry)
            return
        self._heard_at_us[board.name] = self.links.clock.now_us()
        other = identity_finding(board, self.links.boards)
        if other is not None:
            self.findings.append(other)

    def measure_all(self) -> None:
        """Measure the links of all boards that have answered."""
        for board in self.links.boards:
            if board.hello is None:
                continue
            self.announce(f"{board.name}: the link is measured")
            self._measure(board)

    def _measure(self, board: BoardUnderTest) -> None:
        line = finding_of_line(board)
        if line is not None:
            self.findings.append(line)
            return
        try:
            self.figures[board.name] = measure_link(self.links, board, self.sysfs)
        except LinkTimeout as error:
            self.findings.append(finding_of_error(board, BenchFault.NO_ANSWER, error))
