"""Upset limits: the ranges of ticks, instructions and bits that an upset can hit.

An upset beyond them could not be injected, or would hit something else, so it is refused before the
run with the valid range. What is known when:

    from the scenario          ticks, sizes of memory, messages and checkpoints; of registers,
                               stack, machine code and agent the largest that any processor has
    from the boards' HELLO     sizes of their registers
    from the calibration       the time of a step, the instructions behind a tick (`steps`)

The sizes of the stack and of the machine code are known only to the board at the moment of the
injection: an upset with a `bit` beyond them fails there, and is not injected.

Duration and instructions differ between frames, so an upset near the end of a step can be missed;
its report then says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from hil._kernel import ffi, lib
from hil.errors import ConfigError, Problem
from hil.kernel import Workload, pack, workloads
from hil.rig.link import ANSWER_OVERHEAD, request_bytes
from hil.scenario import (
    BoardKind,
    Direction,
    LinkNoiseKind,
    PatternKind,
    Scenario,
    UpsetEventConfig,
    UpsetRateConfig,
    UpsetTarget,
)
from hil.scenario.load import UNPLACED
from hil.scenario.problems import Findings, did_you_mean
from hil.scenario.words import (
    CHECKPOINT_TARGETS,
    MEMORY_TARGETS,
    PROCESS_TARGETS,
    REGISTER_TARGETS,
)
from hil.wire.encoding import step_request
from hil.wire.messages import Hello, Msg

__all__ = ["AGENT_BITS", "BOARD_RAM_BYTES", "LARGEST_BITS", "UpsetLimits", "check_upsets"]

BOARD_RAM_BYTES: Final = 960 << 20
"""The memory of an emulated board's system (hil.rig.emulated.ram, which cannot be imported on every
computer)."""

LARGEST_BITS: Final[Mapping[UpsetTarget, int]] = {
    UpsetTarget.STACK: 256 * 1024 * 8,
    UpsetTarget.GPR: 33 * 64,
    UpsetTarget.VECTOR: 512 * 8,
}
"""The largest stack and register sets of all ports (csrc/port/linux: WORKER_STACK_LEN, ARCH_*)."""

AGENT_BITS: Final = 8 * int(lib.agent_memory_len())
"""The size of the agent's own memory on this computer and on all 64-bit processors; it is smaller
on 32-bit ones."""

_OF_A_PROGRAM: Final = frozenset({UpsetTarget.STACK, UpsetTarget.HEAP, UpsetTarget.TEXT})

_TEXT_FACTOR: Final = 8
"""Upper bound of the size of another compiler's machine code, relative to this computer's."""
_PROGRAM_TICKS: Final = 1
_SLOWEST_FACTOR: Final = 2
_NAMED_MOST: Final = 8
_WORDS: Final = (PatternKind.ZERO_WORD, PatternKind.RANDOM_WORD)
_WIDEST_DRAWN: Final = {
    PatternKind.ADJACENT: 4,
    PatternKind.ZERO_WORD: 32,
    PatternKind.RANDOM_WORD: 32,
}
"""[bit] The widest pattern of each kind that hil.upsets.planner draws."""


def check_upsets(scenario: Scenario, workload: Workload | None = None) -> None:
    """Check all upsets of `scenario` against what is known before the run.

    `workload`: what its nodes compute, by default the kernel's workload of that name; without it
    the sizes of a program are not known, and not checked. Raises: ConfigError with every upset that
    is out of range."""
    UpsetLimits(scenario, workload).check()


def _check_region(name: str | None, workload: Workload | None, findings: Findings) -> None:
    """Add that the workload, if it is known, has not named such a region, if it has not."""
    if name is None or workload is None:
        return
    names = [region.name for region in workload.regions]
    if name in names:
        return
    some = ", ".join(names[:_NAMED_MOST]) + (", ..." if len(names) > _NAMED_MOST else "")
    findings.add(
        "region",
        f"{workload.name} has no region `{name}`; it has {some or 'none'}",
        did_you_mean(name, names) if names else "remove it",
    )


def _of_checkers(scenario: Scenario, known: Mapping[str, Workload]) -> dict[str, Workload]:
    """Return what the checkers of a rig compute, by name; empty if it has none."""
    checkers = scenario.rig.checkers
    if checkers is None or not scenario.rig.scheme.has_checkers:
        return {}
    return {node.name: known[checkers.workload] for node in scenario.rig.nodes[1:]}


class UpsetLimits:
    """The limits of the upsets of one scenario, as far as they are known.

    `add_board`, `set_slowest_step` and `set_reach` add what the boards report, so that a later
    `check` is stricter. `reach`: by node and tick, the instructions from the tick to the end of the
    step."""

    def __init__(self, scenario: Scenario, workload: Workload | None = None) -> None:
        self._scenario = scenario
        self._kinds = {node.name: node.board for node in scenario.rig.nodes}
        self._powered = {
            # A place may have a power switch: its coordinator says so when the run begins.
            node.name: node.power is not None or node.labgrid is not None
            for node in scenario.rig.nodes
        }
        known = {w.name: w for w in workloads()}
        self._workload = workload or known.get(scenario.workload_name)
        self._own = _of_checkers(scenario, known)
        self._hellos: dict[str, Hello] = {}
        self._slowest_us: int | None = None
        self.reach: dict[str, Sequence[int]] = {}

    def _workload_of(self, node: str | None) -> Workload | None:
        """Return what a node computes, as far as it is known."""
        return self._own.get(node or "", self._workload)

    def _name_of(self, node: str) -> str:
        return self._own[node].name if node in self._own else self._scenario.workload_name

    def _ticks_of(self, node: str) -> int:
        of = self._workload_of(node)
        return _PROGRAM_TICKS if of is None else of.ticks

    # --- what the boards report ---------------------------------------------------------------

    def add_board(self, node: str, hello: Hello) -> None:
        """Take the HELLO of the board of `node`."""
        self._hellos[node] = hello

    def set_slowest_step(self, slowest_us: int) -> None:
        """Set the CPU time of the slowest fault-free step [us]."""
        self._slowest_us = slowest_us

    def set_reach(self, node: str, reach: Sequence[int]) -> None:
        """Set the instructions that the board of `node` executes from each tick, 0 first, to the
        end of the step. A number above all that the upsets need may be cut off there."""
        self.reach[node] = reach

    @property
    def steps_needed(self) -> dict[str, int]:
        """Return, by node, the most instructions after a tick that any upset needs; nodes that
        need none are left out."""
        wanted: dict[str, int] = {}

        def want(nodes: Iterable[str], steps: int) -> None:
            for node in nodes if steps else ():
                wanted[node] = max(steps, wanted.get(node, 0))

        upsets = self._scenario.upsets
        for event in upsets.events:
            want([event.node], event.steps)
        for rate in upsets.rates:
            if PROCESS_TARGETS.intersection(rate.targets):
                want(rate.nodes or self._kinds, rate.steps_max)
        if self._scenario.plant is not None and PROCESS_TARGETS.intersection(upsets.orbit.targets):
            want(self._kinds, upsets.orbit.steps_max)
        return wanted

    # --- checks -------------------------------------------------------------------------------

    def check(self) -> None:
        """Check all upsets of the scenario. Raises: ConfigError with every one that is out of
        range."""
        findings = Findings()
        upsets = self._scenario.upsets
        for index, event in enumerate(upsets.events):
            for path, message, remedy in self.check_event(event):
                findings.add(("upsets", "events", index, *path), message, remedy)
        for index, rate in enumerate(upsets.rates):
            for path, message, remedy in self._of_rate(rate):
                findings.add(("upsets", "rates", index, *path), message, remedy)
        if self._scenario.plant is not None:
            drawn = {PatternKind.BIT: 1.0, PatternKind.ADJACENT: 1.0}
            for path, message, remedy in self._of_targets(upsets.orbit.targets, drawn):
                findings.add(("upsets", "orbit", *path), message, remedy)
        if findings:
            raise ConfigError(
                [
                    Problem(UNPLACED, 0, 0, ".".join(["$", *map(str, path)]), message, remedy)
                    for path, message, remedy in findings
                ]
            )

    def check_event(self, event: UpsetEventConfig) -> Findings:
        """Return what of one event is out of range."""
        findings = Findings()
        self._when(event, findings)
        if event.target in CHECKPOINT_TARGETS:
            self._checkpoint(event, findings)
        if event.target is UpsetTarget.BOARD:
            serial = self._kinds.get(event.node) is BoardKind.SERIAL
            # Where the scenario lets events be missed, the run says how many were.
            must = not self._scenario.upsets.allow_missed
            if serial and must and not self._powered.get(event.node, False):
                findings.add(
                    "target",
                    f"nothing is known that switches the power of node {event.node}",
                    "add `power:` to the board in the bench file, remove this upset, or let it "
                    "be missed (`upsets: {allow_missed: 1}`)",
                )
        space = self._space(event)
        _check_region(event.region, self._workload_of(event.node), findings)
        if space is not None:
            self._where(event, space, findings)
        return findings

    def _when(self, event: UpsetEventConfig, findings: Findings) -> None:
        step, ticks = "a step of " + self._name_of(event.node), self._ticks_of(event.node)
        if event.tick is not None and event.tick > ticks:
            findings.add(
                "tick",
                f"tick {event.tick}: {step} has {ticks}; expected 0 (before it begins) to "
                f"{ticks} (its result is there)",
            )
        elif event.steps and event.tick is not None and event.node in self.reach:
            most = self.reach[event.node][event.tick]
            if event.steps > most:
                findings.add(
                    "steps",
                    f"node {event.node} executes {most} instructions from tick {event.tick} to the "
                    f"end of {step}; expected at most that, not {event.steps}",
                )
        if event.us is None:
            return
        if event.target is UpsetTarget.BOARD_RAM:
            if event.us > self._scenario.frame_us:
                findings.add(
                    "us",
                    f"{event.us} us is past the end of the frame; expected 0 to "
                    f"{self._scenario.frame_us}",
                )
        elif self._kinds.get(event.node) is BoardKind.INPROC:
            most = ticks * int(lib.INPROC_TICK_US)
            if event.us > most:
                findings.add(
                    "us", f"{step} takes {most} us on an inproc board; expected 0 to {most}"
                )
        elif self._slowest_us is not None and event.us > _SLOWEST_FACTOR * self._slowest_us:
            findings.add(
                "us",
                f"the slowest of the calibration's steps took {self._slowest_us} us; expected 0 to "
                f"{_SLOWEST_FACTOR * self._slowest_us}, not {event.us}",
                "say the tick instead (`tick:`), which is the same on every board",
            )

    def _checkpoint(self, event: UpsetEventConfig, findings: Findings) -> None:
        if not self._scenario.checkpoint_every:
            findings.add(
                "target",
                "the boards keep no checkpoints (`checkpoint_every: 0`)",
                "set `recovery: {checkpoint_every: 16}`, or remove this upset",
            )
        elif event.frame_at(self._scenario.frame_us) == 0:
            findings.add(
                "frame" if event.frame is not None else "at",
                "the boards keep no checkpoint before the first frame was voted on; expected "
                "frame 1 or later",
            )

    def _space(self, event: UpsetEventConfig) -> int | None:
        """Return the largest size of an upset's target [bit]; None if it has none, or it is not
        known."""
        if event.target is UpsetTarget.LINK:
            direction = event.direction or Direction.TO_BOARD
            corrupt = event.noise is LinkNoiseKind.CORRUPT
            return self._message_bits(event.node, direction) if corrupt else None
        if event.target is UpsetTarget.BOARD_RAM:
            return BOARD_RAM_BYTES * 8
        if event.target not in MEMORY_TARGETS:
            return None
        return self._memory_bits(event.target, event.node, event.region)

    def _memory_bits(
        self, target: UpsetTarget, node: str | None, region: str | None = None
    ) -> int | None:
        if self._scenario.exec is not None and target in _OF_A_PROGRAM:
            return None  # as large as the program makes it
        hello = None if node is None else self._hellos.get(node)
        if target in REGISTER_TARGETS:
            if hello is None:
                return LARGEST_BITS[target]
            gpr = target is UpsetTarget.GPR
            return hello.gpr_count * hello.pointer_bits if gpr else hello.vector_bytes * 8
        if target is UpsetTarget.STACK:
            return LARGEST_BITS[target]
        if target is UpsetTarget.AGENT:
            return AGENT_BITS
        w = self._workload_of(node)
        if w is None:
            return None
        if region is not None:
            return next((8 * r.length for r in w.regions if r.name == region), None)
        sizes = {
            UpsetTarget.STATE: w.state_len,
            UpsetTarget.CHECKPOINT: w.state_len,
            UpsetTarget.CHECK_BITS: -(-w.state_len // 8),
            UpsetTarget.INPUT: w.input_len,
            UpsetTarget.OUTPUT: w.output_len,
            UpsetTarget.HEAP: w.scratch_len,
            UpsetTarget.TEXT: _TEXT_FACTOR * w.text_len,
        }
        return sizes[target] * 8

    def _message_bits(self, node: str, direction: Direction) -> int | None:
        """Return the size of the STEP message in that direction [bit]; None if not known."""
        w = self._workload_of(node)
        if w is None:
            return None
        if direction is Direction.TO_BOARD:
            return len(request_bytes(Msg.STEP, 0, step_request(0, bytes(w.input_len)))) * 8
        sent = w.output_len if w.output_len <= lib.MESSAGE_IO_MAX else 0
        reply = ffi.new("hil_reply_t *", {"len": sent})
        return (len(pack("reply", reply)) + ANSWER_OVERHEAD) * 8

    def _where(self, event: UpsetEventConfig, space: int, findings: Findings) -> None:
        pattern, what = event.pattern, f"target {event.target} of {self._name_of(event.node)}"
        if event.region is not None:
            what = f"region {event.region} of {self._name_of(event.node)}"
        if event.target is UpsetTarget.LINK:
            what = f"the STEP message {event.direction}"
        elif event.target in (UpsetTarget.BOARD_RAM, UpsetTarget.STACK, UpsetTarget.AGENT):
            what = f"target {event.target}"
        elif event.target in REGISTER_TARGETS and event.node in self._hellos:
            what = f"target {event.target} of node {event.node}"
        at_most = "" if self._is_exact(event) else " at most"
        wide = pattern.width if event.target in MEMORY_TARGETS else 1
        if wide > space:
            findings.add(
                "target" if space == 0 else "pattern",
                f"{what} has {space} bits{at_most}; the pattern needs {wide}",
            )
            return
        last = space - wide
        if pattern.kind in _WORDS:
            last = space // wide * wide - 1
        if event.bit is not None and event.bit > last:
            reason = f"; a pattern of {wide} bits" if wide > 1 else ""
            findings.add(
                "bit",
                f"bit {event.bit}: {what} has {space} bits{at_most}{reason}; expected 0 to {last}",
            )

    def _is_exact(self, event: UpsetEventConfig) -> bool:
        if event.target in REGISTER_TARGETS:
            return event.node in self._hellos
        if event.target is UpsetTarget.AGENT:
            return self._kinds.get(event.node) in (BoardKind.INPROC, BoardKind.PROCESS)
        return event.target not in (UpsetTarget.STACK, UpsetTarget.TEXT, UpsetTarget.BOARD_RAM)

    # --- upsets at random ---------------------------------------------------------------------

    def _of_rate(self, rate: UpsetRateConfig) -> Findings:
        findings = self._of_targets(rate.targets, rate.patterns)
        _check_region(rate.region, self._workload, findings)
        return findings

    def _of_targets(
        self, targets: Sequence[UpsetTarget], patterns: Mapping[PatternKind, float]
    ) -> Findings:
        """Return the targets of random upsets that are smaller than a pattern that may be drawn."""
        findings = Findings()
        wide = max((_WIDEST_DRAWN.get(kind, 1) for kind, weight in patterns.items() if weight > 0))
        for index, target in enumerate(targets):
            if target in CHECKPOINT_TARGETS and not self._scenario.checkpoint_every:
                findings.add(
                    ("targets", index),
                    "the boards keep no checkpoints (`checkpoint_every: 0`)",
                    "set `recovery: {checkpoint_every: 16}`, or remove this target",
                )
                continue
            if target not in MEMORY_TARGETS or target is UpsetTarget.BOARD_RAM:
                continue
            for space in self._spaces(target):
                if wide > space:
                    findings.add(
                        ("targets", index),
                        f"target {target} of {self._scenario.workload_name} has {space} bits; "
                        f"the patterns need {wide}",
                        "remove it",
                    )
                    break
        return findings

    def _spaces(self, target: UpsetTarget) -> Iterator[int]:
        for node in self._kinds:
            bits = self._memory_bits(target, node)
            if bits is not None:
                yield bits
