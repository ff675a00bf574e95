"""The rig: all nodes, asked in lock-step, and the actions that repair one of them.

Order of life: `open` (connect, HELLO), `load` (initial state on every node), `calibrate`, then
`step` once a frame. Every method that talks to several nodes talks to them side by side."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hil._kernel import lib
from hil.clock import HOST, Clock
from hil.errors import KernelError, LinkTimeout, NodeError, SetupError, TraceForbidden
from hil.rig.calls import Call, Rebooted, Silence, StepCall, Timing, run_calls
from hil.rig.discovery.line_test import LineFault, find_fault
from hil.rig.line_rate import LineRates
from hil.rig.link import request_bytes
from hil.rig.node import (
    DONE,
    SILENT,
    Board,
    Life,
    Node,
    NodeResult,
    boot_timeout_us,
    may_return,
    no_boot,
    result_of_reply,
    result_without_reply,
    switched_nothing,
)
from hil.rig.power import Power, PowerMonitor
from hil.rig.program import PREFIX, golden_run
from hil.rig.reconnect import Reconnector
from hil.rig.transport import TransportLost
from hil.wire import messages
from hil.wire.messages import (
    Arm,
    Health,
    Hello,
    Limited,
    Limits,
    Msg,
    Refusal,
    Report,
    Sensors,
    Sync,
)

_REST_MAX_S = 300.0
_BOOT_MAX_US = 180_000_000
_BOOT_SLICE_US: Final = 5_000_000
_SWITCHED_ON_US: Final = 120_000_000
"""How long a board may take from its power to its agent, at the start of a run."""

_LIMIT_LOST_AFTER_US: Final = 15_000_000
_LOST_AFTER_US: Final = 500_000
"""A board that is silent for less may be slow; it is no reason to doubt its line's rate."""

_BUSY_FACTOR: Final = 20
"""By the clock a step may take so many times its budget of CPU time: others compute, too."""

_FORBIDDEN: Final = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_PTRACE_REMEDY: Final = (
    "allow ptrace where the agent runs: `sysctl kernel.yama.ptrace_scope` must say less than 3; a "
    "container needs `--cap-add=SYS_PTRACE`, or a seccomp profile that allows ptrace; or use "
    "`--boards inproc`, which needs none"
)
"""What to do where an agent may not trace its own worker."""

_NOSYS: Final = int(lib.HIL_ERR_NOSYS)
_OK: int = lib.HIL_OK
_STATUS_TEXT = {
    -1: "argument out of range",
    -2: "not possible in its present state",
    -3: "malformed request",
    -6: "stored data is damaged",
    -7: "out of capacity",
    -8: "not available on this board",
    -9: "refused by its operating system",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """What one step may take, from calibration: CPU time, and progress ticks."""

    cpu_us: int
    max_ticks: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the golden run showed: CPU time and round trip of fault-free steps, over all nodes."""

    frames: int
    cpu_us_median: int
    cpu_us_worst: int
    round_trip_us_worst: int
    budget: Budget


def _power_of(node: Node) -> Power | None:
    power = getattr(node.board, "power", None)
    return power if isinstance(power, Power) else None


def _port_is_gone(board: Board) -> bool:
    port = str(getattr(board, "port", ""))
    return port.startswith("/") and not Path(port).exists()


def _patient(timing: Timing) -> Timing:
    """For a board that changes its power mode, or starts a program: that takes seconds."""
    return replace(timing, lost_after_us=max(timing.lost_after_us, _LIMIT_LOST_AFTER_US))


class Rig:
    """`workload` and `seed` are what nodes compute; `timing` how long to wait for them on `clock`,
    which is that of the nodes' links, too."""

    def __init__(
        self,
        nodes: Sequence[Node],
        workload: str,
        seed: int,
        timing: Timing,
        clock: Clock = HOST,
    ) -> None:
        self.clock = clock
        self.nodes = tuple(nodes)
        self.workload = workload
        self.seed = seed
        self.timing = timing
        self.budget = Budget(5_000_000, 0)
        self.scrub_words = 0
        self.kept_from_looking_us = 0
        """How long the host did not look at its links in the last step, although it should have."""
        self.reconnector = Reconnector(clock)
        self._duties: dict[str, int] = {}
        self._limits: dict[str, tuple[int | None, Limits]] = {}  # and the agent's start since when
        self._cuts: dict[str, int] = {}
        self._cycled: dict[str, Life] = {}
        powers = (_power_of(node) for node in self.nodes)
        self.power = PowerMonitor([p for p in powers if p is not None], clock=clock)
        self._seq = self.clock.now_us() % 0xFFFF
        """Not where the last host began: agents repeat the last answer to the last number."""
        self.rates = LineRates(self.next_seq)

    # --- asking -------------------------------------------------------------------------------

    def next_seq(self) -> int:
        """A fresh sequence number; STEP has its own, from the frame, so that the same frame has the
        same bytes on every board."""
        self._seq = self._seq % 0xFFFF + 1
        return self._seq

    def reserve_seqs(self, count: int) -> int:
        first = self._seq + 1 if self._seq + count < 0xFFFF else 1
        self._seq = first + count - 1
        return first

    def ask(self, node: Node, type_: int, payload: bytes = b"") -> bytes:
        """One request, answered. Raises LinkTimeout (silence, or a reboot) or NodeError
        (refused)."""
        call = Call(node.link, self.next_seq(), type_, payload)
        run_calls([call], self.timing)
        return self.expect(node, call)

    def expect(self, node: Node, call: Call) -> bytes:
        """The answer of a finished call, or the exception that fits."""
        result = call.result
        if isinstance(result, bytes):
            return result
        if isinstance(result, Refusal):
            if self._lacks_ptrace(call, result):
                raise TraceForbidden(
                    f"node {node.name}: its agent may not trace its worker (ptrace: "
                    f"{os.strerror(result.detail)}), and so cannot compute",
                    remedy=_PTRACE_REMEDY,
                )
            why = _STATUS_TEXT.get(result.status, f"status {result.status}")
            if result.suspended:
                why = "it is suspended"
            number = f" (errno {result.detail})" if result.status == lib.HIL_ERR_IO else ""
            raise NodeError(f"node {node.name} refused {Msg(call.type).name}: {why}{number}")
        if isinstance(result, Rebooted):
            raise LinkTimeout(f"node {node.name}: its agent started anew")
        self.rates.lost(node)
        reason = result.reason if isinstance(result, Silence) else "no answer"
        raise LinkTimeout(
            f"node {node.name} does not answer: {reason}",
            remedy="is hil-agent running on the board, at this baud rate, with RX and TX crossed?",
        )

    def _lacks_ptrace(self, call: Call, told: Refusal) -> bool:
        """Whether an agent could not start a worker because its system forbids it to trace one."""
        starts = call.type in (Msg.LOAD, Msg.RESTART) and not self.workload.startswith(PREFIX)
        return starts and told.status == lib.HIL_ERR_IO and told.detail in _FORBIDDEN

    # --- bringing up --------------------------------------------------------------------------

    def open(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Connect every node and hear who it is; boards that have to boot do so side by side. A
        board whose supply is off is switched on. `tell` hears what takes long.
        SetupError, LinkTimeout, VersionMismatch."""
        self.power.check()
        dark: list[Node] = []
        for node in self.nodes:
            try:
                self._attach(node)
            except SetupError:
                if not (_port_is_gone(node.board) and self._is_dark(node)):
                    raise
                dark.append(node)  # its port has the board's own power
        for node in self.nodes:
            try:
                if node not in dark:
                    self._greet(node, tell)
            except LinkTimeout:
                if not self._is_dark(node):
                    raise
                dark.append(node)
        self._switch_on(dark, tell)
        for node in self.nodes:
            power = _power_of(node)
            if power is not None and power.supply.current_limit_a is not None and node not in dark:
                # What was on already may have another limit: a latch-up would not be seen.
                self.power.limit(node.name, None, power.supply.current_limit_a)
        self.power.start()

    def _is_dark(self, node: Node) -> bool:
        """Whether the board may be silent because nobody has switched it on. SetupError."""
        power = _power_of(node)
        return power is not None and not power.gives_power()

    def _switch_on(self, dark: Sequence[Node], tell: Callable[[str], None]) -> None:
        """Give these boards power, and wait until they have come up."""
        for node in dark:
            power = _power_of(node)
            assert power is not None
            tell(f"node {node.name} is off: switched on by {power.title}")
            power.on()
            node.link.standing.note(f"was off; switched on by {power.title}")
            self.reconnector.look_for(node)
        missing, began_us = list(dark), self.clock.now_us()
        while missing:
            for node in self.reconnected():
                self._greet(node, tell)
                missing.remove(node)
            waited_us = self.clock.now_us() - began_us
            if missing and waited_us > _SWITCHED_ON_US:
                raise LinkTimeout(
                    f"node {missing[0].name} did not come up in {waited_us // 1_000_000} s after "
                    f"its power was switched on: {missing[0].link.standing.reason}",
                    remedy="does hil-agent start with the board, and is its port the right one?",
                )
            if missing:
                self.reconnector.wait(0.1)

    def connect(self, node: Node) -> Hello:
        """Open the node's port (anew) and greet its agent."""
        self._attach(node)
        return self._greet(node)

    def _attach(self, node: Node) -> None:
        node.link.detach("reconnecting")  # a port is open once only
        node.link.attach(node.open())

    def _greet(self, node: Node, tell: Callable[[str], None] = lambda _: None) -> Hello:
        boot_us = boot_timeout_us(node.board)
        began_us, hopeless = self.clock.now_us(), None
        while True:
            call = Call(node.link, self.next_seq(), Msg.HELLO)
            left_us = boot_us - (self.clock.now_us() - began_us)
            patience_us = max(self.timing.lost_after_us, min(left_us, _BOOT_SLICE_US))
            run_calls([call], replace(self.timing, lost_after_us=patience_us))
            if not isinstance(call.result, Silence) or not node.link.connected:
                break
            waited_us = self.clock.now_us() - began_us
            hopeless = no_boot(node.board)
            if hopeless or waited_us >= boot_us:
                break
            tell(
                f"node {node.name} boots, for {waited_us // 1_000_000} of at most "
                f"{boot_us // 1_000_000} s"
            )
        if boot_us and isinstance(call.result, Silence):
            told = hopeless or node.board.condition(disconnected=not node.link.connected)
            raise LinkTimeout(
                f"the {node.board.kind} board of node {node.name} did not come up: "
                f"{told or call.result.reason}",
                remedy="run `hil board emulate raspberry-pi-3b` and look at what it does",
            )
        return self._greeted(node, call)

    def _greet_again(self, node: Node) -> Hello:
        """Greet an agent that was there a moment ago. One whose board has to boot for it is lost:
        a run waits for nobody who boots."""
        call = Call(node.link, self.next_seq(), Msg.HELLO)
        run_calls([call], self.timing)
        return self._greeted(node, call)

    def _greeted(self, node: Node, call: Call) -> Hello:
        with self._line_named(node):
            answer = self.expect(node, call)
        hello = messages.hello(answer)
        node.check(hello)
        node.identify(hello)
        node.timed(call, hello.uptime_us)
        self.rates.raise_rate(node)
        return hello

    @contextlib.contextmanager
    def _line_named(self, node: Node) -> Iterator[None]:
        """Before a run: if a board is lost because its line changes bytes, the error says so."""
        try:
            yield
        except (LinkTimeout, SetupError) as error:
            fault = self._line_fault(node)
            if fault is None:
                raise
            raise LinkTimeout(f"{error.message}; {fault.reason}", remedy=fault.remedy) from error

    def _line_fault(self, node: Node) -> LineFault | None:
        transport, counts = node.link.transport, node.link.statistics
        heard = counts.rx_errors + counts.naks + counts.chatter_bytes
        if transport is None or transport.fd is None or not heard:
            return None
        try:
            return find_fault(transport, self.clock)
        except TransportLost:
            return None

    def load(self, node: Node) -> int:
        """Put the workload on a node in its initial state; returns the state digest."""
        node.loads += 1
        node.workers += 1
        node.loaded_boot = node.link.boot_id
        call = Call(
            node.link,
            self.next_seq(),
            Msg.LOAD,
            messages.load_request(self.workload, self.seed),
        )
        is_program = self.workload.startswith(PREFIX)
        run_calls([call], _patient(self.timing) if is_program else self.timing)
        if is_program and isinstance(call.result, Refusal) and call.result.status == _NOSYS:
            name = self.workload.removeprefix(PREFIX)
            raise NodeError(
                f"node {node.name}: its agent does not allow a program `{name}`",
                remedy=f"start it with --exec {name}=/path; process boards take it of $HIL_EXEC",
            )
        answer = self.expect(node, call)
        self.ask(node, Msg.BUDGET, self._budget_request())
        return messages.state_digest_of_loaded(answer)

    def _budget_request(self) -> bytes:
        return messages.budget_request(self.budget.cpu_us, self.budget.max_ticks, self.scrub_words)

    def configure(self, node: Node) -> None:
        """Tell an agent again all that it is told once: its budget, and what limits it. It keeps
        both where upsets strike, and neither a new worker nor a new state puts them right.
        LinkTimeout, NodeError."""
        self.ask(node, Msg.BUDGET, self._budget_request())
        boot_id, limits = self._limits.get(node.name, (None, Limits()))
        self.limit(node, limits if boot_id == node.link.boot_id else Limits())

    def refresh_budgets(self, nodes: Sequence[Node], timing: Timing | None = None) -> None:
        """Tell agents their budgets again, which no result would show to be damaged until they are
        needed. Nothing is raised: the next step of a node that does not answer tells of it."""
        request = self._budget_request()
        calls = [Call(node.link, self.next_seq(), Msg.BUDGET, request) for node in nodes]
        run_calls(calls, timing or self.timing)

    def calibrate(self, frames: int, cpu_factor: float, cpu_floor_us: int) -> Calibration:
        """Run golden frames on all nodes, learn how long they take, and set budget and timing.

        Leaves every node loaded in its initial state. SetupError if a node does not compute what
        the golden run computes: then no vote could be trusted."""
        golden = golden_run(self.workload, self.seed)
        for node in self.nodes:
            with self._line_named(node):
                digest = self.load(node)
            self._must_match(node, digest, golden.state_digest, "the initial state")
        cpu_us: list[int] = []
        worst_round_trip = 0
        for frame in range(frames):
            golden.step()
            began = self.clock.now_us()
            results = self.step(self.nodes, frame, golden.input)
            worst_round_trip = max(worst_round_trip, self.clock.now_us() - began)
            for node in self.nodes:
                result = results[node.name]
                if result.status != DONE:
                    with self._line_named(node):
                        raise SetupError(
                            f"node {node.name} failed in fault-free frame {frame} of the "
                            "calibration: "
                            f"{result.reason or f'status {result.status}, signal {result.signal}'}",
                            remedy="run `hil doctor`; look at the board's own log",
                        )
                self._must_match(node, result.output_digest, golden.output_digest, f"frame {frame}")
                self._must_match(node, result.state_digest, golden.state_digest, f"frame {frame}")
                cpu_us.append(result.cpu_us)
        cpu_us.sort()
        ticks = golden.workload.ticks
        self.budget = Budget(max(cpu_floor_us, math.ceil(cpu_us[-1] * cpu_factor)), 4 * ticks + 64)
        # A repetition is harmless, so the first may come soon: ten times the slowest golden round
        # trip.
        retry_us = min(self.timing.retry_us, max(20_000, 10 * worst_round_trip))
        self.timing = replace(self.timing, retry_us=retry_us)
        self._bear_with_busy()
        for node in self.nodes:
            self.load(node)
        return Calibration(
            frames, cpu_us[len(cpu_us) // 2], cpu_us[-1], worst_round_trip, self.budget
        )

    def _bear_with_busy(self) -> None:
        """For as long as the slowest node may be busy with a step that ends."""
        slowest_us = self.budget.cpu_us * 1000 // min(self._duties.values(), default=1000)
        busy_us = max(2 * self.timing.lost_after_us, _BUSY_FACTOR * slowest_us)
        self.timing = replace(self.timing, busy_us=busy_us)

    def _must_match(self, node: Node, got: int, want: int, what: str) -> None:
        if got != want:
            raise SetupError(
                f"node {node.name} computes {what} of {self.workload} differently from the golden "
                f"run ({got:016x}, expected {want:016x}): its results could never win a vote",
                remedy="build hil-agent from this very release; check the board's memory",
            )

    def close(self) -> None:
        """End all links and software boards. Never fails."""
        self.power.close()
        self.reconnector.close()
        for node in self.nodes:
            self.rates.leave(node)
            node.link.detach("the run is over")
            node.board.shut_down()

    # --- one frame ----------------------------------------------------------------------------

    def step(
        self, nodes: Sequence[Node], frame: int, input_: bytes, timing: Timing | None = None
    ) -> dict[str, NodeResult]:
        """The same step request to `nodes`; what came of each, by name. Nothing is raised for nodes
        that fail; VersionMismatch as everywhere. `timing`: instead of the rig's own."""
        seq = frame & 0xFFFF
        data = request_bytes(Msg.STEP, seq, messages.step_request(frame, input_))
        calls = [StepCall(node.link, frame, data) for node in nodes]
        patience = timing or self.timing
        self.kept_from_looking_us = run_calls(calls, patience)
        out: dict[str, NodeResult] = {}
        for node, call in zip(nodes, calls, strict=True):
            result = call.result
            if isinstance(result, bytes):
                try:
                    out[node.name] = result_of_reply(messages.reply(result))
                except KernelError:
                    out[node.name] = NodeResult(SILENT, reason="its answer made no sense")
            elif result is not None:
                if isinstance(result, Rebooted):
                    node.identify(result.hello)
                elif isinstance(result, Silence) and patience.lost_after_us >= _LOST_AFTER_US:
                    self.rates.lost(node)
                out[node.name] = result_without_reply(result)
        return out

    def arm(self, node: Node, arm: Arm) -> str | None:
        """Prepare an upset. Returns None, or why the board will not do it."""
        call = Call(node.link, self.next_seq(), Msg.ARM, messages.arm_request(arm))
        run_calls([call], self.timing)
        if isinstance(call.result, bytes):
            return None
        if isinstance(call.result, Refusal):
            return _STATUS_TEXT.get(call.result.status, f"status {call.result.status}")
        return "the board did not answer"

    def greeting(self, node: Node, patience_us: int) -> bool:
        """Ask a node who it is, for so long; whether it answered. Its `life` then is the present
        one."""
        call = Call(node.link, self.next_seq(), Msg.HELLO)
        run_calls([call], replace(self.timing, lost_after_us=patience_us))
        if isinstance(call.result, Rebooted):
            node.identify(call.result.hello)
        elif isinstance(call.result, bytes):
            node.identify(messages.hello(call.result))
        return isinstance(call.result, (bytes, Rebooted))

    def report(self, node: Node, id_: int) -> Report | None:
        """What became of an upset; None if the board cannot tell (any more)."""
        call = Call(node.link, self.next_seq(), Msg.REPORT, messages.id_request(id_))
        run_calls([call], self.timing)
        if not isinstance(call.result, bytes):
            return None
        told = messages.report(call.result)
        return told if told.id == id_ else None

    def health(self, nodes: Sequence[Node], timing: Timing | None = None) -> Mapping[str, Health]:
        """Health of the nodes that answer (within `timing`, else the rig's own)."""
        calls = {n.name: Call(n.link, self.next_seq(), Msg.HEALTH) for n in nodes}
        run_calls(list(calls.values()), timing or self.timing)
        told: dict[str, Health] = {}
        for node in nodes:
            call = calls[node.name]
            if isinstance(call.result, bytes):
                told[node.name] = messages.health(call.result)
                node.timed(call, told[node.name].uptime_us)
        return told

    def sensors(self, node: Node) -> Sensors:
        """Power mode, fans and all temperatures of a board. LinkTimeout, NodeError (its agent is
        older than this request, or a step is under way for too long)."""
        return messages.sensors(self.ask(node, Msg.SENSORS))

    def limit(self, node: Node, limits: Limits) -> Limited:
        """Let a node obey `limits`, whatever it obeyed before, and hear what holds now. A reset or
        a loss of power lifts all of it. LinkTimeout, NodeError."""
        call = Call(node.link, self.next_seq(), Msg.LIMIT, messages.limit_request(limits))
        self._duties[node.name] = limits.duty_permille
        self._limits[node.name] = (node.link.boot_id, limits)
        self._bear_with_busy()
        run_calls([call], _patient(self.timing))
        return messages.limited(self.expect(node, call))

    # --- repairing ----------------------------------------------------------------------------

    def restart(self, node: Node) -> None:
        """A new worker process, and a configured agent. LinkTimeout, NodeError."""
        node.workers += 1
        call = Call(node.link, self.next_seq(), Msg.RESTART)
        is_program = self.workload.startswith(PREFIX)
        run_calls([call], _patient(self.timing) if is_program else self.timing)
        self.expect(node, call)
        self.configure(node)

    def reset(self, node: Node) -> None:
        """The agent starts anew; the workload is loaded again. LinkTimeout, NodeError."""
        call = Call(node.link, self.next_seq(), Msg.RESET)
        run_calls([call], self.timing)
        if not isinstance(call.result, (bytes, Rebooted)):
            self.expect(node, call)
        self.rates.begin_anew(node)
        self._limits.pop(node.name, None)  # a new start lifts them
        before = node.life
        self._greet_again(node)
        if before.went_on(node.life):
            raise NodeError(f"node {node.name} did not start again: its boot id and uptime went on")
        self.load(node)

    def reload(self, node: Node) -> None:
        """Load the workload on an agent that started anew by itself. LinkTimeout, NodeError."""
        if not node.link.connected:
            self.connect(node)
        self._greet_again(node)
        self.load(node)

    # --- boards that go and come back -----------------------------------------------------------

    def exclude(self, node: Node, *, cycle: bool) -> None:
        """Look for the board beside the run, from now on; with `cycle` its power is cut and given
        back first."""
        wanted = cycle and node.board.can_cycle
        if wanted:
            self._cycled[node.name] = node.life
            self._limits.pop(node.name, None)
        self.reconnector.look_for(node, node.board.power_cycle if wanted else None)

    def cut_off(self, node: Node, reason: str) -> None:
        """Its supply has cut the board off. The next step finds it silent, and recovery cycles it;
        one that is cut off again while it comes up rests first, ever longer: there may be a
        short."""
        node.link.detach(reason)
        if node.name in self.reconnector.looking_for:
            rest_s = min(2.0 ** self._cuts.get(node.name, 0), _REST_MAX_S)
            self._cuts[node.name] = self._cuts.get(node.name, 0) + 1
            self.reconnector.look_for(node, node.board.power_cycle, rest_s)

    def listen_to(self, node: Node) -> None:
        """The node was given up: notice if its board starts anew, or goes away and comes back."""
        if node.link.connected:
            self.rates.begin_anew(node)  # where a new start would be announced
            self.reconnector.listen_to(node)
        else:
            self.reconnector.look_for(node)

    def reconnected(self) -> list[Node]:
        """Nodes whose boards have come back since this was asked last: their links are open."""
        found = self.reconnector.reconnected()
        for back in found:
            self._cuts.pop(back.node.name, None)
            back.node.link.attach(back.transport, back.decoder)
            back.node.identify(back.hello)
            before = self._cycled.pop(back.node.name, None)
            back.node.cycled_in_vain = before is not None and before.went_on(back.node.life)
        return [back.node for back in found]

    def rejoin(self, node: Node) -> None:
        """Take up a board that has come back: what it has lost in between is put on it again.
        LinkTimeout, NodeError."""
        self._greet_again(node)
        if node.loaded_boot != node.link.boot_id:
            self.load(node)
        else:
            self.configure(node)

    def power_cycle(self, node: Node) -> None:
        """Power off and on, connect, load. For a board whose power is not ours: connect again.
        SetupError, LinkTimeout, NodeError."""
        node.link.detach("power cycle")
        self._limits.pop(node.name, None)
        if may_return(node.board) and node.board.can_cycle:
            self._cycle_and_wait(node)
            return
        before = node.life
        if node.board.can_cycle:
            node.board.power_cycle()
        self.connect(node)
        if node.board.can_cycle and before.went_on(node.life):
            raise NodeError(switched_nothing(node))
        self.load(node)

    def _cycle_and_wait(self, node: Node) -> None:
        """For who has nothing else to do meanwhile: runs let the reconnector do it."""
        self.exclude(node, cycle=True)
        end_us = self.clock.now_us() + _BOOT_MAX_US
        while node not in self.reconnected():
            if self.clock.now_us() > end_us:
                raise LinkTimeout(
                    f"node {node.name} did not come up after its power was cycled",
                    remedy="does hil-agent start with the board?",
                )
            self.reconnector.wait(0.1)
        self.load(node)

    def sync(self, node: Node, frame: int, state_digest: int) -> None:
        """Tell the node which frame its state belongs to. NodeError if its digest is another."""
        self.ask(node, Msg.SYNC, messages.sync_request(frame, state_digest))

    def checkpoint(
        self, nodes: Sequence[Node], agreed: Sync, timing: Timing | None = None
    ) -> list[tuple[Node, int]]:
        """Let the boards of `nodes` keep a copy of their state, if it is that of `agreed`: after
        that frame, with that digest. What each answered (HIL_OK: it has kept it); those that did
        not answer are left out. Nothing is raised."""
        payload = messages.sync_request(agreed.frame, agreed.state_digest)
        calls = [Call(node.link, self.next_seq(), Msg.CHECKPOINT, payload) for node in nodes]
        run_calls(calls, timing or self.timing)
        return [
            (node, call.result.status if isinstance(call.result, Refusal) else _OK)
            for node, call in zip(nodes, calls, strict=True)
            if isinstance(call.result, (bytes, Refusal))
        ]

    def restore(self, node: Node, checkpoint: Sync) -> None:
        """Back to this checkpoint of the board's own. LinkTimeout, NodeError (it does not have it,
        or what it has is damaged: its state is then as it was)."""
        payload = messages.sync_request(checkpoint.frame, checkpoint.state_digest)
        restored = messages.sync(self.ask(node, Msg.RESTORE, payload))
        if restored != checkpoint:
            raise NodeError(
                f"node {node.name} restored frame {restored.frame} with another state than "
                "its checkpoint's"
            )
