"""The persistence model of a scenario, if it keeps the model's assumptions."""

from __future__ import annotations

import math

from hil.analysis.reliability.persistence import PersistenceModel
from hil.campaign.theory.harm import harm_share
from hil.kernel import Golden
from hil.scenario import PatternKind, Scenario, UpsetEventConfig, UpsetTarget
from hil.scenario.words import WORKLOADS

__all__ = ["persistence_model"]


def persistence_model(scenario: Scenario) -> PersistenceModel | str:
    """Return the model of a scenario's persistence count, with the scenario's own rates; or the
    assumption that it does not keep, in words. Raises: KernelError if a step does not end."""
    why = _not_kept(scenario)
    if why:
        return why
    broken = scenario.upsets.events
    first = min((event.frame_at(scenario.frame_us) for event in broken), default=0)
    rates = scenario.upsets.rates
    per_s = sum(rate.per_s for rate in rates) * scenario.upsets.accel
    share = harm_share(
        scenario.workload_name, UpsetTarget.OUTPUT, scenario.frame_count, scenario.seed
    ).share
    hit = -math.expm1(-per_s * share * scenario.frame_us / 1e6)
    return PersistenceModel(scenario.rig.size, scenario.frame_count, hit, len(broken), first)


def _not_kept(scenario: Scenario) -> str:
    recovery, upsets = scenario.recovery, scenario.upsets
    others = recovery.restarts, recovery.resets, recovery.power_cycles, recovery.rollbacks
    rates, events = upsets.rates, upsets.events
    of_outputs = all(rate.targets == (UpsetTarget.OUTPUT,) and not rate.nodes for rate in rates)
    one_bit = all(set(rate.patterns) == {PatternKind.BIT} for rate in rates)
    together = len({event.frame_at(scenario.frame_us) for event in events}) <= 1
    assumptions = {
        "it has three or more nodes and no spares": scenario.rig.size >= 3
        and scenario.rig.size == scenario.rig.scheme.size,
        "its nodes vote on whole outputs": scenario.rig.voter.is_exact
        and not scenario.rig.scheme.has_checkers
        and not scenario.rig.scheme.pairs,
        "it has no plant, and a workload of hil": scenario.plant is None
        and scenario.workload_name in WORKLOADS,
        "it repairs by resync only (restarts, resets, power_cycles and rollbacks are 0)": not any(
            others
        ),
        "it forgets no fault (window_frames is the length of the run)": recovery.window_frames
        >= scenario.frame_count,
        "its random hits flip one bit of the outputs of all nodes": of_outputs and one_bit,
        "its single upsets are permanently stuck bits of outputs": all(
            map(_is_broken_output, events)
        ),
        "its broken nodes break in one frame": together
        and len({event.node for event in events}) == len(events),
    }
    for assumption, holds in assumptions.items():
        if not holds:
            return assumption
    return _sometimes_right(scenario)


def _is_broken_output(event: UpsetEventConfig) -> bool:
    stuck = event.pattern.kind is PatternKind.STUCK and event.permanent
    return stuck and event.target is UpsetTarget.OUTPUT and event.bit is not None


def _sometimes_right(scenario: Scenario) -> str:
    """Return what is not kept if a stuck bit is right in some frame of the golden run."""
    golden = Golden(scenario.workload_name, scenario.seed)
    for _ in range(scenario.frame_count):
        golden.step()
        output = golden.output
        for event in scenario.upsets.events:
            assert event.bit is not None
            place = event.bit % (8 * len(output))
            if output[place // 8] >> place % 8 & 1 == event.pattern.value:
                return "a broken node is wrong in every frame (a stuck bit is sometimes right)"
    return ""
