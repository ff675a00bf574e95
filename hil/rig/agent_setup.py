"""Agent setup: the workload, the budget and the limits that are sent to every agent of a rig.

Upsets may also hit an agent's budget and limits, so they are sent again after every repair."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hil._kernel import lib
from hil.errors import NodeError, TraceForbidden
from hil.kernel import NamedRegion, Workload
from hil.rig.calls import Call, Timing
from hil.rig.exchange import run_calls
from hil.rig.node import Node
from hil.rig.program import PREFIX
from hil.rig.program_end import ProgramEnds, ask_end, start_failed
from hil.rig.program_options import ProgramOptions
from hil.rig.program_regions import declared_regions
from hil.rig.requests import Requests, patient
from hil.wire import decoding, encoding
from hil.wire.messages import Limited, Limits, Msg, Refusal

_BUSY_FACTOR: Final = 20
"""The longest duration of a step relative to its budget of CPU time: other processes run, too."""

_START_MARGIN_US: Final = 5_000_000
"""Beyond the time that a program has to start: the agent still ends it, and answers."""

_NOSYS: Final = int(lib.HIL_ERR_NOSYS)
_FORBIDDEN: Final = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_PTRACE_REMEDY: Final = (
    "allow ptrace where the agent runs: `sysctl kernel.yama.ptrace_scope` must say less than 3; a "
    "container needs `--cap-add=SYS_PTRACE`, or a seccomp profile that allows ptrace; or use "
    "`--boards inproc`, which needs none"
)
"""What to do where an agent may not trace its own worker."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The CPU time [us] and the progress ticks that one step may take, from calibration."""

    cpu_us: int
    max_ticks: int


class AgentSetup:
    """Sends workload, budget and limits to agents, and keeps the limits of each.

    `scrub_words`: words of its checkpoint that a board scrubs in every step. Not thread-safe: only
    the thread that runs the frames uses it."""

    def __init__(self, requests: Requests, workload: str, seed: int) -> None:
        self._requests = requests
        self.workload = workload
        self.seed = seed
        self.budget = Budget(5_000_000, 0)
        self.scrub_words = 0
        self.program = ProgramOptions()
        """What the workload `exec` is given, if it is one."""
        self.loaded: Workload | None = None
        """The sizes of the workload, as the last board has reported them."""
        self.long_outputs = False
        """Whether answers have only the digest of the output, because it is too long for them."""
        self.program_ends = ProgramEnds(requests)
        self._layouts: dict[str, Workload] = {}  # of programs: of each node's first start
        self._duties: dict[str, int] = {}
        self._limits: dict[str, tuple[int | None, Limits]] = {}  # and the agent's start since when

    @property
    def is_program(self) -> bool:
        """Return whether the workload is a program of the board's operating system."""
        return self.workload.startswith(PREFIX)

    @property
    def program_name(self) -> str:
        """Return the name of the program that is the workload."""
        return self.workload.removeprefix(PREFIX)

    def workload_of(self, node: Node) -> str:
        """Return the workload of a node: that of the rig, or, for a checker, the reduced one."""
        return self.program.reduced if self.program.reduced and node.index else self.workload

    @property
    def start_timing(self) -> Timing:
        """Return the timing of requests that start a worker."""
        timing = self._requests.timing
        if not self.is_program:
            return timing
        least_us = self.program.init_us + _START_MARGIN_US
        timing = patient(timing)
        return replace(timing, lost_after_us=max(timing.lost_after_us, least_us))

    def load(self, node: Node) -> int:
        """Put the workload on a node in its initial state and return the state's digest.

        Raises: LinkTimeout, NodeError, TraceForbidden."""
        node.loads += 1
        node.workers += 1
        node.loaded_boot = node.link.boot_id
        if self.is_program:
            self._set_init_time(node)
        workload = self.workload_of(node)
        request = encoding.load_request(workload, self.seed)
        call = self._requests.send(node, Msg.LOAD, request, self.start_timing)
        if self.is_program and isinstance(call.result, Refusal) and call.result.status == _NOSYS:
            name = self.program_name
            raise NodeError(
                f"node {node.name}: its agent does not allow a program `{name}`",
                remedy=f"start it with --exec {name}=/path; process boards take it from $HIL_EXEC",
            )
        own = self.program.own
        if own is not None and isinstance(call.result, Refusal) and call.result.status == _NOSYS:
            raise NodeError(
                f"node {node.name}: its agent has no workload `{workload}`",
                remedy="put one on the board that has it: `hil board build --workload "
                f"{own.source.path.name}`, or `hil board install` with the same option",
            )
        answer = self.expect_worker(node, call)
        self._requests.ask(node, Msg.BUDGET, self._budget_request())
        self.loaded = decoding.workload_of_loaded(workload, answer)
        if self.is_program:
            self.loaded = replace(
                self.loaded, regions=self._regions_of(node, self.loaded.state_len)
            )
            self._must_be_laid_out_alike(node, self.loaded)
        return decoding.state_digest_of_loaded(answer)

    def _regions_of(self, node: Node, state_len: int) -> tuple[NamedRegion, ...]:
        """Return the regions that the program of a node has named; none from an agent that is older
        than this request. Raises: LinkTimeout, NodeError."""
        declared = b""
        while True:
            payload = encoding.regions_request(len(declared) // lib.MESSAGE_REGION_INFO)
            call = self._requests.send(node, Msg.REGIONS, payload)
            if isinstance(call.result, Refusal) and call.result.status == _NOSYS:
                return ()
            total, more = decoding.regions(self._requests.expect(node, call))
            declared += more
            if not more or len(declared) >= total * lib.MESSAGE_REGION_INFO:
                break
        try:
            regions = declared_regions(declared, 0)
        except (ValueError, struct.error) as error:
            raise NodeError(f"node {node.name}: the regions of its program: {error}") from None
        before = state_len - sum(region.length for region in regions)
        return tuple(replace(region, offset=before + region.offset) for region in regions)

    def _must_be_laid_out_alike(self, node: Node, now: Workload) -> None:
        """Compare sizes and regions of a node's program with those of its first start: the agent
        does so in a restart only, and votes and repairs count on them. Raises: NodeError."""
        first = self._layouts.setdefault(node.name, now)
        what = ("state", "input", "output", "regions")
        then, new = ((w.state_len, w.input_len, w.output_len, w.regions) for w in (first, now))
        others = [name for name, a, b in zip(what, then, new, strict=True) if a != b]
        if others:
            raise NodeError(
                f"node {node.name}: the program `{self.program_name}` declares others than at "
                f"its first start ({', '.join(others)}): these may not change later",
                remedy="csrc/port/linux/EXEC.md says what a program may declare",
            )

    def _set_init_time(self, node: Node) -> None:
        """Tell an agent how long programs may take to start. Raises: LinkTimeout; NodeError if it
        is older than this request, and another time than the usual is wanted."""
        payload = encoding.program_request(self.program.init_us // 1000, 0)
        call = self._requests.send(node, Msg.PROGRAM, payload)
        is_old = isinstance(call.result, Refusal) and call.result.status == _NOSYS
        if not is_old:
            self._requests.expect(node, call)
        elif self.program.init_us != ProgramOptions().init_us:
            raise NodeError(
                f"node {node.name}: its agent is older than `init_s`, and waits for programs for "
                f"{ProgramOptions().init_us / 1e6:g} s",
                remedy="install this release's agent on it (`hil board install`)",
            )

    def why_failed(self, node: Node, reason: str) -> str:
        """Return why a node did not complete a step: `reason`, or how the program that is its
        worker ended."""
        return (
            self.program_ends.explain(node, self.program_name, reason)
            if self.is_program
            else reason
        )

    def expect_worker(self, node: Node, call: Call) -> bytes:
        """Return the answer to a call that starts a worker.

        Raises: ProgramFailed if it is a program that does not start; TraceForbidden if the agent's
        system forbids it to trace one; LinkTimeout and NodeError as for every call."""
        result = call.result
        if (
            isinstance(result, Refusal)
            and not self.is_program
            and result.status == lib.HIL_ERR_IO
            and result.detail in _FORBIDDEN
        ):
            raise TraceForbidden(
                f"node {node.name}: its agent may not trace its worker (ptrace: "
                f"{os.strerror(result.detail)}), and so cannot compute",
                remedy=_PTRACE_REMEDY,
            )
        if self.is_program and isinstance(result, Refusal) and result.status == lib.HIL_ERR_IO:
            end = ask_end(self._requests, node)
            if end is not None:
                self.program_ends.note(node, self.program_name, end)
            what = f"{Msg(call.type).name} was refused (errno {result.detail})"
            raise start_failed(node, self.program_name, what, end)
        return self._requests.expect(node, call)

    def _budget_request(self) -> bytes:
        return encoding.budget_request(self.budget.cpu_us, self.budget.max_ticks, self.scrub_words)

    def configure(self, node: Node) -> None:
        """Send an agent its budget and its limits again: neither a new worker nor a new state
        repairs them. Raises: LinkTimeout, NodeError."""
        self._requests.ask(node, Msg.BUDGET, self._budget_request())
        boot_id, limits = self._limits.get(node.name, (None, Limits()))
        self.limit(node, limits if boot_id == node.link.boot_id else Limits())

    def refresh_budgets(self, nodes: Sequence[Node], timing: Timing | None = None) -> None:
        """Send agents their budgets again, because a damaged one shows in no result until a step
        exceeds it. Raises nothing: a node that does not answer fails its next step."""
        request, numbers = self._budget_request(), self._requests.next_seq
        calls = [Call(node.link, numbers(), Msg.BUDGET, request) for node in nodes]
        run_calls(calls, timing or self._requests.timing)

    def limit(self, node: Node, limits: Limits) -> Limited:
        """Replace all limits of a node, and return those in force. A reset or a loss of power lifts
        them. Raises: LinkTimeout, NodeError."""
        self._duties[node.name] = limits.duty_permille
        self._limits[node.name] = (node.link.boot_id, limits)
        self.adjust_busy_time()
        request, timing = encoding.limit_request(limits), patient(self._requests.timing)
        call = self._requests.send(node, Msg.LIMIT, request, timing)
        return decoding.limited(self._requests.expect(node, call))

    def forget_limits(self, node: Node) -> None:
        """Forget the limits of a node whose agent starts again, which lifts them."""
        self._limits.pop(node.name, None)

    def adjust_busy_time(self) -> None:
        """Set the time-out of busy nodes to the longest step of the node with the lowest duty."""
        timing = self._requests.timing
        slowest_us = self.budget.cpu_us * 1000 // min(self._duties.values(), default=1000)
        busy_us = max(2 * timing.lost_after_us, _BUSY_FACTOR * slowest_us)
        self._requests.timing = replace(timing, busy_us=busy_us)
