"""The rig: sends requests to all nodes in parallel, and carries out the repairs of each.

Order of calls: `open` (connect, HELLO), `load` (initial state on every node), `calibrate`
(hil.rig.calibration), then `step` once per frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from hil._kernel import lib
from hil.clock import HOST, Clock
from hil.errors import KernelError, LinkTimeout, NodeError
from hil.rig.absent_boards import AbsentBoards
from hil.rig.agent_setup import AgentSetup
from hil.rig.bringup import Announce, BringUp
from hil.rig.calls import Call, Rebooted, Silence, StepCall, Timing
from hil.rig.console.recording import ConsoleRecording
from hil.rig.exchange import run_calls
from hil.rig.link import request_bytes
from hil.rig.node import (
    SILENT,
    Node,
    NodeResult,
    power_cut_had_no_effect,
    result_of_reply,
    result_without_reply,
)
from hil.rig.power import PowerMonitor
from hil.rig.reconnect import Reconnector
from hil.rig.requests import Requests, status_text
from hil.wire import decoding, encoding
from hil.wire.messages import (
    ActivationReport,
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

_BOOT_MAX_US: Final = 180_000_000
_LOST_AFTER_US: Final = 500_000
"""A board that is silent for less may be slow; its line keeps its rate."""

_OK: Final = int(lib.HIL_OK)


class Rig:
    """The nodes of one run, and the requests to them.

    `workload` and `seed` are what nodes compute; `timing` is how long to wait for them on `clock`,
    which is also that of the nodes' links. `by_name` has the nodes by their names, in the order of
    `nodes`. `requests` sends single requests, `setup` configures agents, `absent` handles the
    boards that are absent, `power` monitors the supplies.

    Not thread-safe: only the thread that runs the frames uses a rig. Several rigs may run in
    parallel in one process."""

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
        self.by_name = {node.name: node for node in self.nodes}
        self.kept_from_looking_us = 0
        """How long the host did not read its links in the last step, although it should have."""
        self.requests = Requests(timing, clock)
        self.setup = AgentSetup(self.requests, workload, seed)
        self.reconnector = Reconnector(clock)
        self.absent = AbsentBoards(self.reconnector, self.setup)
        supplies = (node.capabilities.power for node in self.nodes)
        self.power = PowerMonitor([s for s in supplies if s is not None], clock=clock)
        self.rates = self.requests.rates
        self.replies: dict[str, bytes] | None = None  # as they arrived, where copies are needed
        self.notes: tuple[str, ...] = ()
        """Remarks on the boards, for the record."""
        self._bringup = BringUp(self.nodes, self.requests, self.reconnector, self.absent)

    def open(self, announce: Announce = lambda _: None, wait_us: int = 0) -> None:
        """Connect every node and identify its agent; boards that have to boot do so side by side. A
        board whose supply is off is switched on. `announce` is called with what takes long. For
        `wait_us` boards are waited for that do not answer, or whose ports cannot be opened.

        Raises: SetupError, LinkTimeout, VersionMismatch."""
        self._bringup.open(self.power, announce, wait_us)

    def connect(self, node: Node) -> Hello:
        """Open the port of a node again and identify its agent.

        Raises: SetupError, LinkTimeout, NodeError, VersionMismatch."""
        return self._bringup.connect(node)

    def load(self, node: Node) -> int:
        """Put the workload on a node in its initial state and return the state's digest.

        Raises: LinkTimeout, NodeError, TraceForbidden."""
        return self.setup.load(node)

    def limit(self, node: Node, limits: Limits) -> Limited:
        """Replace all limits of a node, and return those in force.

        Raises: LinkTimeout, NodeError."""
        return self.setup.limit(node, limits)

    def close(self) -> None:
        """Close all links and end software boards. Never fails."""
        self.power.close()
        self.reconnector.close()
        for node in self.nodes:
            self.rates.leave(node)
            node.link.detach("the run is over")
            node.board.shut_down()

    def log_consoles(self, run_dir: Path) -> ConsoleRecording:
        """Log what the boards print in `run_dir`, from now on until the returned value is
        closed."""
        return ConsoleRecording(run_dir, self.nodes, self.clock)

    # --- one frame ----------------------------------------------------------------------------

    def step(
        self, nodes: Sequence[Node], frame: int, input_: bytes, timing: Timing | None = None
    ) -> dict[str, NodeResult]:
        """Run one frame on `nodes` and return the result of each, by name. `timing` is used instead
        of the rig's own.

        Raises: VersionMismatch; nothing for nodes that fail."""
        seq = frame & 0xFFFF
        data = request_bytes(Msg.STEP, seq, encoding.step_request(frame, input_))
        calls = [StepCall(node.link, frame, data) for node in nodes]
        patience = timing or self.requests.timing
        self.kept_from_looking_us = run_calls(calls, patience)
        out: dict[str, NodeResult] = {}
        only_digest = self.setup.long_outputs
        for node, call in zip(nodes, calls, strict=True):
            result = call.result
            if isinstance(result, bytes):
                if self.replies is not None:
                    self.replies[node.name] = result
                try:
                    out[node.name] = result_of_reply(
                        decoding.reply(result, only_digest=only_digest)
                    )
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
        """Arm an upset; return None, or why the board refuses it. The agent carries it out
        (csrc/agent/agent_upsets.c) when its step has reached the tick."""
        timing = self.requests.timing
        if node.link.unanswered_since_us:  # it may only be late, or fall silent: no frame waits
            timing = replace(timing, lost_after_us=timing.retry_us)
        call = self.requests.send(node, Msg.ARM, encoding.arm_request(arm), timing)
        if isinstance(call.result, bytes):
            return None
        if isinstance(call.result, Refusal):
            return status_text(call.result.status)
        return "the board did not answer"

    def greeting(self, node: Node, patience_us: int) -> bool:
        """Send HELLO to a node for at most `patience_us` [us], and return whether it answered; its
        `agent_start` is then up to date."""
        timing = replace(self.requests.timing, lost_after_us=patience_us)
        call = self.requests.send(node, Msg.HELLO, timing=timing)
        if isinstance(call.result, Rebooted):
            node.identify(call.result.hello)
        elif isinstance(call.result, bytes):
            node.identify(decoding.hello(call.result))
        return isinstance(call.result, (bytes, Rebooted))

    def report(self, node: Node, id_: int) -> Report | None:
        """Return a board's report on an upset; None if the board does not have it (any more)."""
        call = self.requests.send(node, Msg.REPORT, encoding.id_request(id_))
        if not isinstance(call.result, bytes):
            return None
        report = decoding.report(call.result)
        return report if report.id == id_ else None

    def activation(self, node: Node, id_: int) -> ActivationReport | None:
        """Return what a board knows of the first access to what an upset has changed; None if it
        knows nothing. A board that cannot report this is asked once, until its agent starts
        again."""
        boot = node.link.boot_id
        if boot is not None and node.unwatched_boot == boot:
            return None
        call = self.requests.send(node, Msg.ACTIVATION, encoding.id_request(id_))
        if isinstance(call.result, Refusal) and call.result.status == lib.HIL_ERR_NOSYS:
            node.unwatched_boot = boot
        if not isinstance(call.result, bytes):
            return None
        report = decoding.activation(call.result)
        return report if report.id == id_ else None

    def health(self, nodes: Sequence[Node], timing: Timing | None = None) -> Mapping[str, Health]:
        """Return the health of the nodes that answer within `timing` (by default the rig's own), by
        name. Nothing is raised for nodes that do not answer."""
        calls = {n.name: Call(n.link, self.requests.next_seq(), Msg.HEALTH) for n in nodes}
        run_calls(list(calls.values()), timing or self.requests.timing)
        answers: dict[str, Health] = {}
        for node in nodes:
            call = calls[node.name]
            if isinstance(call.result, bytes):
                answers[node.name] = decoding.health(call.result)
                node.record_uptime(call, answers[node.name].uptime_us)
        return answers

    def sensors(self, node: Node) -> Sensors:
        """Return power mode, fans and all temperatures of a board.

        Raises: LinkTimeout; NodeError if its agent is older than this request, or a step is under
        way for too long."""
        return decoding.sensors(self.requests.ask(node, Msg.SENSORS))

    # --- repairing ----------------------------------------------------------------------------

    def restart(self, node: Node) -> None:
        """Start a new worker process on a node, and configure its agent.

        Raises: LinkTimeout, NodeError, TraceForbidden."""
        node.workers += 1
        call = self.requests.send(node, Msg.RESTART, timing=self.setup.start_timing)
        self.setup.expect_worker(node, call)
        self.setup.configure(node)

    def reset(self, node: Node) -> None:
        """Start the agent of a node again, and load the workload.

        Raises: LinkTimeout; NodeError, also if the agent goes on as before."""
        call = self.requests.send(node, Msg.RESET)
        if not isinstance(call.result, (bytes, Rebooted)):
            self.requests.expect(node, call)
        self.rates.on_agent_restart(node)
        self.setup.forget_limits(node)
        before = node.agent_start
        self._bringup.greet_again(node)
        if before.is_same_start(node.agent_start):
            raise NodeError(f"node {node.name} did not start again: its boot id and uptime went on")
        self.load(node)

    def reload(self, node: Node) -> None:
        """Load the workload on an agent that has started again by itself.

        Raises: SetupError, LinkTimeout, NodeError."""
        if not node.link.connected:
            if node.board.can_return:  # if it boots, it is searched for beside the run
                self._bringup.attach(node)
            else:
                self.connect(node)
        self._bringup.greet_again(node)
        self.load(node)

    def listen_to(self, node: Node) -> None:
        """Notice if the board of an abandoned node starts again, or disappears and returns."""
        if node.link.connected:
            self.rates.on_agent_restart(node)  # where a new start would be announced
            self.reconnector.listen_to(node)
        else:
            self.reconnector.search_for(node)

    def rejoin(self, node: Node) -> None:
        """Prepare a board that has returned: load the workload if its agent has started again.

        Raises: LinkTimeout, NodeError."""
        self._bringup.greet_again(node)
        if node.loaded_boot != node.link.boot_id:
            self.load(node)
        else:
            self.setup.configure(node)

    def power_cycle(self, node: Node) -> None:
        """Cut and restore the power of a node, connect and load. A board whose power cannot be
        switched is connected again.

        Raises: SetupError, LinkTimeout, NodeError."""
        node.link.detach("power cycle")
        self.setup.forget_limits(node)
        if node.board.can_return and node.board.can_cycle:
            self._cycle_and_wait(node)
            return
        before = node.agent_start
        if node.board.can_cycle:
            node.board.power_cycle()
        self.connect(node)
        if node.board.can_cycle and before.is_same_start(node.agent_start):
            raise NodeError(power_cut_had_no_effect(node))
        self.load(node)

    def _cycle_and_wait(self, node: Node) -> None:
        """Cycle the power and wait for the board, outside runs: a run uses the reconnector."""
        self.absent.exclude(node, cycle=True)
        end_us = self.clock.now_us() + _BOOT_MAX_US
        while node not in self.absent.take_reconnected():
            if self.clock.now_us() > end_us:
                raise LinkTimeout(
                    f"node {node.name} did not come up after its power was cycled",
                    remedy="does hil-agent start with the board?",
                )
            self.reconnector.wait(0.1)
        self.load(node)

    def sync(self, node: Node, frame: int, state_digest: int) -> None:
        """Set the frame number of the node's state.

        Raises: LinkTimeout; NodeError if the digest of its state is another."""
        self.requests.ask(node, Msg.SYNC, encoding.sync_request(frame, state_digest))

    def checkpoint(
        self, nodes: Sequence[Node], agreed: Sync, timing: Timing | None = None
    ) -> list[tuple[Node, int]]:
        """Take checkpoints on the boards of `nodes` whose state is `agreed`: after that frame, with
        that digest. Returns the status of each (HIL_OK: taken), without nodes that did not answer,
        for which nothing is raised."""
        payload = encoding.sync_request(agreed.frame, agreed.state_digest)
        calls = [
            Call(node.link, self.requests.next_seq(), Msg.CHECKPOINT, payload) for node in nodes
        ]
        run_calls(calls, timing or self.requests.timing)
        return [
            (node, call.result.status if isinstance(call.result, Refusal) else _OK)
            for node, call in zip(nodes, calls, strict=True)
            if isinstance(call.result, (bytes, Refusal))
        ]

    def restore(self, node: Node, checkpoint: Sync) -> None:
        """Restore this checkpoint, which the board itself keeps.

        Raises: LinkTimeout; NodeError if the board does not have it, or it is damaged (the state is
        then as it was)."""
        payload = encoding.sync_request(checkpoint.frame, checkpoint.state_digest)
        restored = decoding.sync(self.requests.ask(node, Msg.RESTORE, payload))
        if restored != checkpoint:
            raise NodeError(
                f"node {node.name} restored frame {restored.frame} with another state than "
                "its checkpoint's"
            )
