"""The second half of the test of a bench: each board's supply, one board after the other.

An output is switched only while the links of all boards can be watched. When a board has not come
up again, no other is switched off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hil.errors import LinkTimeout, SetupError
from hil.rig.bench_test.board_links import BoardLinks, BoardUnderTest
from hil.rig.bench_test.diagnosis import finding_of_error
from hil.rig.bench_test.link_watch import LinkWatch
from hil.rig.bench_test.power_cycle import CyclePatience, OffFailed, PowerCycle, cycle_power
from hil.rig.bench_test.power_findings import power_findings
from hil.rig.bench_test.switched_outputs import SwitchedOutputs
from hil.rig.power import Power
from hil.scenario.bench_report import BenchFault, BenchFinding, SupplyFigures, SwitchState
from hil.scenario.supply import SupplyKind

__all__ = ["PowerCheck"]

_SILENT_US: Final = 1_500_000
"""A board that does not answer for so long may be off."""


@dataclass(slots=True)
class PowerCheck:
    """Checks the supplies of the boards of `links`. `announce` gets a sentence about what takes
    long; `findings` are the faults so far, `cycles` what was observed, by the names of boards."""

    links: BoardLinks
    outputs: SwitchedOutputs
    announce: Callable[[str], None]
    patience: CyclePatience = field(default_factory=CyclePatience)
    findings: list[BenchFinding] = field(default_factory=list)
    cycles: dict[str, PowerCycle] = field(default_factory=dict)
    _usable: dict[str, Power] = field(default_factory=dict)
    _unsure: set[str] = field(default_factory=set)
    _woken: set[str] | None = None

    def switch_on_all(self) -> None:
        """Note how each output is found, and switch those on that are off, one after the other. The
        boards behind them get the time that they need to boot, side by side."""
        off: list[BoardUnderTest] = []
        for board in self.links.boards:
            power = board.power
            if power is None or _unswitchable(board) is not None:
                continue
            try:
                is_on = self.outputs.take(power)
                if is_on is None:
                    self._unsure.add(board.name)
            except SetupError as error:
                self.findings.append(finding_of_error(board, BenchFault.SUPPLY, error))
                continue
            self._usable[board.name] = power
            if is_on is False:
                off.append(board)
        self._switch_on(off)

    def wake(self, board: BoardUnderTest) -> bool:
        """Switch on what may be off, of supplies that do not report whether they give power: at the
        first call those of all silent boards, because cables may be crossed. Return whether the
        supply of `board` was switched on."""
        if self._woken is None:
            unsure = [b for b in self.links.boards if b.name in self._unsure]
            watch = LinkWatch(self.links, unsure)
            watch.watch(_SILENT_US, lambda: all(b.name in watch.sightings for b in unsure))
            self._woken = self._switch_on([b for b in unsure if b.name not in watch.sightings])
        return board.name in self._woken

    def _switch_on(self, boards: Sequence[BoardUnderTest]) -> set[str]:
        """Switch boards on, and wait until their agents answer, at most the time of a boot. Return
        the names of those whose supply could be switched."""
        done: list[BoardUnderTest] = []
        for board in boards:
            self.announce(f"{board.name} may be off; it is switched on for the test")
            try:
                self.outputs.on(self._usable[board.name])
            except SetupError as error:
                self.findings.append(finding_of_error(board, BenchFault.SUPPLY, error))
                continue
            done.append(board)
        watch = LinkWatch(self.links, done)
        watch.watch(self.patience.boot_us, lambda: all(b.name in watch.sightings for b in done))
        return {board.name for board in done}

    def cycle_all(self, may_watch: Callable[[BoardUnderTest], bool]) -> None:
        """Switch each board off and on whose supply can be used, and that `may_watch` accepts."""
        boards = [board for board in self.links.boards if may_watch(board)]
        watch = LinkWatch(self.links, boards)
        for board in boards:
            power = self._usable.get(board.name)
            if power is None:
                continue
            others = tuple(other.name for other in boards if other is not board)
            try:
                cycle = cycle_power(board, power, others, watch, self.outputs, self.patience)
            except SetupError as error:
                self.findings.append(_of_supply(board, error))
                self._switch_on_again(board, power, watch)
                continue
            except LinkTimeout as error:
                self.findings.append(finding_of_error(board, BenchFault.NO_RETURN, error))
                break
            self.cycles[board.name] = cycle
            if cycle.missing:
                self.announce("no other board is switched off, because one has not come up again")
                break
        known = {b.name for b in boards if b.config.serial and b.hello and b.hello.serial}
        self.findings += power_findings(
            list(self.cycles.values()), known, self.patience.boot_us / 1e6
        )

    def _switch_on_again(self, board: BoardUnderTest, power: Power, watch: LinkWatch) -> None:
        """Undo what a supply may have done that failed; wait for its board, if that works."""
        watch.forget()
        try:
            self.outputs.on(power)
        except SetupError:
            return  # it is tried again at the end, and its failure reported there
        watch.watch(self.patience.boot_us, lambda: board.name in watch.sightings)

    def restore(self) -> None:
        """Give all outputs back as they were found. Never raises: an output that stays off is
        announced, and a finding."""
        for power, error in self.outputs.restore():
            message = f"{power.node}: its power could not be switched back: {error.message}"
            remedy = f"`hil power on {power.node} --bench FILE`, or switch it by hand"
            self.announce(f"{message}; try: {remedy}")
            self.findings.append(BenchFinding(BenchFault.SUPPLY, (power.node,), message, remedy))

    def figures(self, board: BoardUnderTest) -> SupplyFigures:
        """Return what is known of a board's supply after the test."""
        state = _unswitchable(board)
        title = "" if board.power is None else board.power.title
        if state is not None:
            return SupplyFigures(state, title)
        cycle = self.cycles.get(board.name)
        if cycle is None:
            failed = any(board.name in f.boards for f in self.findings)
            return SupplyFigures(SwitchState.FAILS if failed else SwitchState.NOT_TESTED, title)
        faulty = any(board.name in finding.boards for finding in self.findings)
        return SupplyFigures(
            SwitchState.FAILS if faulty else SwitchState.WORKS,
            title,
            idle_v=cycle.idle.volts,
            idle_a=cycle.idle.amps,
            off_v=cycle.off.volts,
            off_a=cycle.off.amps,
            boot_s=None if cycle.boot_s is None else round(cycle.boot_s, 2),
            hold_up_s=None if cycle.hold_up_s is None else round(cycle.hold_up_s, 2),
        )


def _of_supply(board: BoardUnderTest, error: SetupError) -> BenchFinding:
    """Return the finding for a supply that failed; a switch that does nothing may say so itself."""
    finding = finding_of_error(board, BenchFault.SUPPLY, error)
    if not isinstance(error, OffFailed) or not error.ran_on:
        return finding
    what = finding.message.removeprefix(f"{board.name}: ")
    return replace(
        finding,
        fault=BenchFault.DEAD_SWITCH,
        message=f"switching {board.name} off did nothing: its agent went on; {what}",
    )


def _unswitchable(board: BoardUnderTest) -> SwitchState | None:
    """Return why nothing is switched for a board; None if a supply can be."""
    if board.config.power is None:
        return SwitchState.NONE
    if board.config.power.kind is SupplyKind.MANUAL:
        return SwitchState.MANUAL
    return SwitchState.MOCK if board.config.power.kind is SupplyKind.MOCK else None
