"""The upset planner: which upsets are injected in which frame. Pure; `Injector` injects them.

Explicit events and Poisson rates become values of `UpsetPlan`. Every (rate, node) has a random
stream of its own, named after the positions of rate and node, so that adding a rate does not change
the upsets of another, and boards may have other names on a bench. With `one_at_a_time`, an upset
that falls due while the rig is still recovering is held back until it has recovered; upsets that
are held back at the end of the run were not injected, and are counted. An operator's upset is
injected in the next frame in any case.

Radiation along an orbit arrives as strikes, block by block: the target of each is drawn here, from
a stream of the node that it hits. Frames are nominal: simulated time divided by the length of a
frame, whether all frames are computed or quiet ones are skipped."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from hil.board_types.channels import Effect
from hil.kernel import Random, Workload
from hil.random_streams import choose, exponential_us, stream
from hil.scenario import (
    CHECKPOINT_TARGETS,
    PROCESS_TARGETS,
    BoardAction,
    PatternKind,
    Scenario,
    Sefi,
    UpsetEventConfig,
    UpsetRateConfig,
    UpsetTarget,
)
from hil.scenario.words import Direction, RamPart
from hil.upsets.upset import UpsetPlan
from hil.upsets.words import UpsetKind

if TYPE_CHECKING:  # few scenarios have an orbit, and its libraries take time to load
    from hil.plant.strikes import Strike, Strikes


_DRAWN: Final = ("rate ", "orbit ")
"""Prefixes of the sources whose upsets are drawn at random."""


class _Executions:
    """Draws the execution of the step in which an upset is injected, where the scheme executes each
    step several times, from a random stream of its own."""

    def __init__(self, scenario: Scenario, label: str) -> None:
        self._count = scenario.rig.scheme.executions
        self._random = stream(scenario.seed, f"{label}/execution") if self._count > 1 else None

    def place(self, plan: UpsetPlan) -> UpsetPlan:
        if self._random is None:
            return plan
        return plan._replace(execution=1 + self._random.below(self._count))


class _Source:
    """An endless sequence of planned upsets of one rate on one node, in order of time."""

    def __init__(
        self,
        rate: UpsetRateConfig,
        label: str,
        position: int,
        scenario: Scenario,
        workload: Workload,
    ) -> None:
        self._rate = rate
        self._label = label
        self._node = scenario.rig.nodes[position].name
        self._frame_us = scenario.frame_us
        self._ticks = workload.ticks
        self._workload = workload
        self._per_s = Decimal(repr(rate.per_s)) * Decimal(repr(scenario.upsets.accel))
        self._random = stream(scenario.seed, f"{label}/node {position}")
        self._executions = _Executions(scenario, f"{label}/node {position}")
        self._t_us = 0

    def next(self) -> UpsetPlan:
        self._t_us += exponential_us(self._random, self._per_s)
        return self._executions.place(self._draw(self._t_us // self._frame_us))

    def _draw(self, frame: int) -> UpsetPlan:
        random, rate = self._random, self._rate
        target = rate.targets[random.below(len(rate.targets))]
        bit = random.bits64() >> 1
        if target is UpsetTarget.STATE:
            bit = _in_region(self._workload, rate.region, bit, drawn=True)

        def plan(kind: UpsetKind) -> UpsetPlan:
            return UpsetPlan(frame, self._node, target, kind, self._label, bit=bit)

        if target is UpsetTarget.LINK:
            noise = plan(choose(random, rate.noises))
            ways = (Direction.TO_BOARD, Direction.TO_HOST)
            return noise._replace(direction=ways[random.below(2)])
        if target is UpsetTarget.BOARD_RAM:
            kind = choose(random, rate.patterns)
            return _shaped(plan(kind)._replace(part=rate.part or RamPart.ALL), kind, random)
        tick = random.below(self._ticks + 1)  # 0: before the step; the last: after its result
        if target is UpsetTarget.CPU:
            return plan(choose(random, rate.sefis))._replace(tick=tick)
        kind = choose(random, rate.patterns)
        steps = random.below(rate.steps_max + 1) if target in PROCESS_TARGETS else 0
        return _shaped(plan(kind)._replace(tick=tick, steps=steps), kind, random)


def _shaped(plan: UpsetPlan, kind: PatternKind, random: Random) -> UpsetPlan:
    """Return the plan with width and value drawn for its pattern."""
    if kind is PatternKind.ADJACENT:
        return plan._replace(width=2 + random.below(3))
    if kind is PatternKind.STUCK:
        return plan._replace(width=1, value=random.below(2), hold_frames=1)
    if kind in (PatternKind.ZERO_WORD, PatternKind.RANDOM_WORD):
        return plan._replace(width=32, value=random.bits64() & 0xFFFFFFFF)
    return plan._replace(width=1)


def _in_region(workload: Workload, name: str | None, bit: int, *, drawn: bool) -> int:
    """Return the bit of the state that is `bit` of the region of this name; `bit` itself without
    one. One that was drawn is first reduced to the size of the region."""
    region = next((r for r in workload.regions if r.name == name), None)
    if region is None:
        return bit
    return 8 * region.offset + (bit % (8 * region.length) if drawn else bit)


def _of_event(
    event: UpsetEventConfig, frame: int, label: str, random: Random, workload: Workload
) -> UpsetPlan:
    drawn_bit, drawn_value = random.bits64() >> 1, random.bits64()
    pattern = event.pattern
    bit = drawn_bit if event.bit is None else event.bit
    bit = _in_region(workload, event.region, bit, drawn=event.bit is None)
    exact = event.bit is not None
    target = event.target
    plan = UpsetPlan(
        frame,
        event.node,
        target,
        _kind_of(event),
        label,
        bit=bit,
        exact=exact,
        execution=event.execution,
    )
    if target is UpsetTarget.LINK:
        return plan._replace(
            direction=event.direction or Direction.TO_BOARD,
            to=event.to,
            passes_on=event.passes_on,
            lasts_frames=event.lasts_frames,
        )
    if target is UpsetTarget.BOARD:
        return plan._replace(returns_after_frames=event.returns_after_frames)
    if target is UpsetTarget.TIMING:
        return plan._replace(timing=event.timing, lasts_frames=event.lasts_frames)
    plan = plan._replace(tick=event.tick or 0, us=event.us, steps=event.steps)
    if target is UpsetTarget.CPU:
        return plan
    mask = (1 << max(pattern.width, 1)) - 1
    value = drawn_value & mask if pattern.value is None else pattern.value
    return plan._replace(
        width=pattern.width,
        value=value,
        hold_frames=event.hold_frames,
        permanent=event.permanent,
        part=event.part or RamPart.ALL,
    )


def _kind_of(event: UpsetEventConfig) -> UpsetKind:
    """Return the kind of an event: a parsed one has exactly that of its target; patterns are for
    memory."""
    timing = None if event.timing is None else event.timing.kind
    return event.noise or event.action or event.sefi or timing or event.pattern.kind


class UpsetPlanner:
    """Plans the upsets of one run in frame order; within a frame, events precede drawn upsets.

    `reach`: by node and tick, the instructions that the board executes from the tick to the end of
    the step. Where it is known, drawn upsets stay within it. `one_at_a_time`: each upset is an
    experiment of its own; `reduced`: what all nodes but the first compute, if that is another
    workload."""

    def __init__(
        self,
        scenario: Scenario,
        workload: Workload,
        strikes: Strikes | None = None,
        *,
        reduced: Workload | None = None,
    ) -> None:
        self.reach: Mapping[str, Sequence[int]] = {}
        self.one_at_a_time = scenario.upsets.one_at_a_time
        self._heap: list[tuple[int, int, UpsetPlan]] = []
        self._sources: dict[int, _Source] = {}
        self._until = -1  # upsets of frames up to this one are due
        self._ordered: list[UpsetPlan] = []
        self._count = 0
        self._count_ordered = 0
        self._seed = scenario.seed
        self._workloads = [workload if reduced is None else reduced] * len(scenario.rig.nodes)
        self._workloads[0] = workload
        self._names = [node.name for node in scenario.rig.nodes]
        self._end = scenario.frame_count
        names = self._names
        alike: Counter[str] = Counter()
        for index, event in enumerate(scenario.upsets.events):
            # The stream is named after the event, so that removing another one keeps its bit.
            frame = event.frame_at(scenario.frame_us)
            key = f"event {frame} {names.index(event.node)} {event.target}"
            random = stream(scenario.seed, f"{key} {alike[key]}")
            alike[key] += 1
            own = self._workload_of(event.node)
            plan = _of_event(event, frame, f"event {index}", random, own)
            heapq.heappush(self._heap, (plan.frame, index, plan))
        self._strikes = None if strikes is None else _Struck(scenario, self._workloads, strikes)
        order = len(scenario.upsets.events)
        for index, rate in enumerate(scenario.upsets.rates):
            for node in rate.nodes or names:
                position = names.index(node)
                self._sources[order] = _Source(
                    rate, f"rate {index}", position, scenario, self._workloads[position]
                )
                self._refill(order)
                order += 1
        self._struck_order = order

    def _workload_of(self, node: str) -> Workload:
        return self._workloads[self._names.index(node)]

    def _refill(self, order: int) -> None:
        plan = self._sources[order].next()
        while not _can_be_made(plan):
            plan = self._sources[order].next()
        if plan.frame < self._end:
            heapq.heappush(self._heap, (plan.frame, order, plan))

    @property
    def next_frame(self) -> int | None:
        """Return the earliest frame in which an upset may fall due; None if there is none left."""
        if self._ordered:
            return self._ordered[0].frame
        known = self._heap[0][0] if self._heap else None
        if self._strikes is None or self._strikes.known_until >= self._end:
            return known
        horizon = self._strikes.known_until
        return horizon if known is None else min(known, horizon)

    def drop_held_back(self) -> int:
        """Return the number of upsets that fell due and wait for the rig to recover, at the end of
        a run: they are not injected any more. Until then they are not even drawn, so that no memory
        is needed for them."""
        count = 0
        while self._take_next() is not None:
            count += 1
        return count

    @property
    def numbered(self) -> int:
        """Return the number of upsets that fell due so far, which is the last id."""
        return self._count

    @property
    def ordered(self) -> int:
        """Return how many of those an operator ordered."""
        return self._count_ordered

    def skip(self, frame: int, numbered: int, ordered: int = 0) -> None:
        """Continue a run before `frame`, in which `numbered` upsets fell due so far, `ordered` of
        them by an operator's order."""
        self._until = frame - 1
        for _ in range(numbered - ordered):
            self._take_next()
        self._count, self._count_ordered = numbered, ordered

    def order(self, event: UpsetEventConfig, label: str) -> int:
        """Plan an operator's upset for the next frame, which is `event.frame`; return its id."""
        assert event.frame is not None, "an order is for the next frame"
        random, own = stream(self._seed, label), self._workload_of(event.node)
        return self.order_plan(_of_event(event, event.frame, label, random, own))

    def order_plan(self, plan: UpsetPlan) -> int:
        """Take an upset for the next frame as it is; return its id."""
        self._ordered.append(plan)
        return self._count + len(self._ordered)

    def due(self, frame: int, settled: bool) -> list[UpsetPlan]:
        """Return the upsets of `frame`, with their ids. `settled`: no node is being recovered."""
        self._until = max(self._until, frame)
        chosen, self._ordered = self._ordered, []
        self._count_ordered += len(chosen)
        if self.one_at_a_time and (chosen or not settled):
            return [self._number(plan, frame) for plan in chosen]
        while (plan := self._take_next()) is not None:
            chosen.append(plan)
            if self.one_at_a_time:
                break
        return [self._number(plan, frame) for plan in chosen]

    def _take_next(self) -> UpsetPlan | None:
        """Remove and return the first upset that is due; None if there is none."""
        self._learn_strikes()
        if not self._heap or self._heap[0][0] > self._until:
            return None
        _, order, plan = heapq.heappop(self._heap)
        if order in self._sources:
            self._refill(order)
        return plan

    def _learn_strikes(self) -> None:
        """Take strikes up to the first upset that is due, which they may precede, or up to now."""
        strikes = self._strikes
        while strikes is not None and strikes.known_until <= min(self._until, self._end - 1):
            if self._heap and self._heap[0][0] < strikes.known_until:
                return
            for plan in strikes.next_block():
                if plan.frame < self._end and _can_be_made(plan):
                    heapq.heappush(self._heap, (plan.frame, self._struck_order, plan))
                    self._struck_order += 1

    def _number(self, plan: UpsetPlan, frame: int) -> UpsetPlan:
        self._count += 1
        return self._within_reach(plan)._replace(id=self._count, frame=frame)

    def _within_reach(self, plan: UpsetPlan) -> UpsetPlan:
        """Return the plan, for a drawn upset with a position before the end of the step."""
        reach = self.reach.get(plan.node)
        if reach is None or not plan.steps or not plan.source.startswith(_DRAWN):
            return plan
        # The number of instructions differs between frames: keep a margin of one eighth.
        most = reach[plan.tick] - reach[plan.tick] // 8
        return plan if plan.steps <= most else plan._replace(steps=plan.steps % (most + 1))


def _can_be_made(plan: UpsetPlan) -> bool:
    """Return whether the target exists: no board has a checkpoint before the first vote."""
    return plan.target not in CHECKPOINT_TARGETS or plan.frame > 0


_STRUCK_PATTERNS: Final[Mapping[Effect, PatternKind]] = {
    Effect.SEU: PatternKind.BIT,
    Effect.MBU: PatternKind.ADJACENT,
}
_STRUCK_SEFIS: Final[Mapping[Effect, Sefi]] = {
    Effect.DETECTED: Sefi.CRASH,
    Effect.HANG: Sefi.HANG,
    Effect.REBOOT: Sefi.RESET,
    Effect.POWER_CYCLE: Sefi.HANG,
    Effect.STORAGE: Sefi.HANG,
}
_UNTIL_POWER_CYCLE: Final = (Effect.POWER_CYCLE, Effect.STORAGE)


class _Struck:
    """Converts strikes to planned upsets."""

    def __init__(self, scenario: Scenario, workloads: Sequence[Workload], strikes: Strikes) -> None:
        self._how = scenario.upsets.orbit
        self._names = [node.name for node in scenario.rig.nodes]
        self._frame_us = scenario.frame_us
        self._ticks = [workload.ticks for workload in workloads]
        self._strikes = strikes
        self._weights = strikes.target_weights
        self._random = [
            stream(scenario.seed, f"strike/node {position}") for position in range(len(self._names))
        ]
        self._executions = [
            _Executions(scenario, f"strike/node {position}") for position in range(len(self._names))
        ]

    @property
    def known_until(self) -> int:
        """Return the first frame whose strikes have not all been returned yet."""
        return self._strikes.known_until_us // self._frame_us

    def next_block(self) -> Sequence[UpsetPlan]:
        return [
            self._executions[strike.position].place(self._planned(strike))
            for strike in self._strikes.next_block()
        ]

    def _planned(self, strike: Strike) -> UpsetPlan:
        random, how = self._random[strike.position], self._how
        frame, node = strike.t_us // self._frame_us, self._names[strike.position]
        bit = random.bits64() >> 1

        def plan(target: UpsetTarget, kind: UpsetKind) -> UpsetPlan:
            return UpsetPlan(frame, node, target, kind, f"orbit {strike.kind}", bit=bit)

        if strike.kind is Effect.SEL:
            return plan(UpsetTarget.BOARD, BoardAction.LATCH_UP)
        tick = random.below(self._ticks[strike.position] + 1)
        if strike.kind is Effect.SEFI:
            return plan(UpsetTarget.CPU, choose(random, how.sefis))._replace(tick=tick)
        if strike.kind in _STRUCK_SEFIS:
            stopped = plan(UpsetTarget.CPU, _STRUCK_SEFIS[strike.kind])._replace(tick=tick)
            return stopped._replace(until_power_cycle=strike.kind in _UNTIL_POWER_CYCLE)
        target = _weighted(random, how.targets, self._weights)
        steps = random.below(how.steps_max + 1) if target in PROCESS_TARGETS else 0
        pattern = _STRUCK_PATTERNS[strike.kind]
        return _shaped(plan(target, pattern)._replace(tick=tick, steps=steps), pattern, random)


def _weighted(
    random: Random, targets: Sequence[UpsetTarget], weights: Sequence[int]
) -> UpsetTarget:
    """Draw a target with probability proportional to its weight."""
    at = random.below(sum(weights))
    for target, weight in zip(targets, weights, strict=True):
        if at < weight:
            return target
        at -= weight
    raise AssertionError("unreachable: the weights cover the range")


def needed_targets(scenario: Scenario) -> dict[str, set[str]]:
    """Return, by node, the targets of upsets that its board must support."""
    names = [node.name for node in scenario.rig.nodes]
    needed: dict[str, set[str]] = {name: set() for name in names}
    for event in scenario.upsets.events:
        needed[event.node].add(str(event.target))
    for rate in scenario.upsets.rates:
        for node in rate.nodes or names:
            needed[node].update(str(t) for t in rate.targets)
    if scenario.plant is not None:
        for targets in needed.values():
            targets.update(str(t) for t in scenario.upsets.orbit.targets)
            targets.add(str(UpsetTarget.CPU))
    for targets in needed.values():
        # The host injects these.
        targets -= {
            UpsetTarget.LINK,
            UpsetTarget.BOARD,
            UpsetTarget.BOARD_RAM,
            UpsetTarget.TIMING,
        }
    return needed
