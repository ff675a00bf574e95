"""Faults that make the output of one node wrong, flown through three nodes that vote.

They are drawn from the result of an exact campaign, and injected in full runs, each at its
instruction: one by one, which a majority outvotes; and two in one frame on two nodes, of which the
comparison of protections counts each as a wrong result."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hil.campaign.scheme_runs import fly
from hil.errors import SetupError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.record.campaign_step import class_columns, step_rows
from hil.record.flown_faults import FlownFaults
from hil.scenario import PatternKind, RigConfig, Scenario, UpsetTarget
from hil.scenario.words import BoardKind, SchemeName
from hil.upsets.upset import UpsetPlan
from hil.upsets.words import NodeEffect

__all__ = ["PlacedFault", "draw_wrong", "fly_faults"]

_BITS: Final = 8
_SDC: Final = EFFECTS.index(NodeEffect.SDC)


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A flip of bit `bit` of `target` before instruction `position` of the step."""

    target: UpsetTarget
    position: int
    bit: int


def draw_wrong(file: CampaignFile, count: int, seed: int) -> list[PlacedFault]:
    """Draw faults from all of an exact campaign that make the output wrong, but for those of the
    stack, each as often as any other; none if there are none. Raises: RecordError."""
    classes, regions = class_columns(file), file.regions()
    unread = [row for row in step_rows(file).unread if row.effect is NodeEffect.SDC]
    weights = np.where(classes.effects == _SDC, classes.weight[:, None], 0)
    stack = [r.number for r in regions if r.target == UpsetTarget.STACK]
    weights[np.isin(classes.region, stack)] = 0
    ends = np.cumsum([*weights.ravel().tolist(), *(_BITS * row.weight for row in unread)])
    chance = random.Random(seed)  # noqa: S311  (a sample that is the same again)
    out: list[PlacedFault] = []
    if not len(ends) or not ends[-1]:
        return out
    targets = {r.number: UpsetTarget(r.target) for r in regions}
    for _ in range(count):
        place = int(np.searchsorted(ends, chance.randrange(int(ends[-1])), side="right"))
        number, bit = divmod(place, _BITS)
        if number < len(classes.byte):
            back = chance.randrange(int(classes.weight[number]))
            at = int(classes.position[number]) - back
            region, byte = int(classes.region[number]), int(classes.byte[number])
        else:
            row = unread[place - _BITS * len(classes.byte)]
            bit = chance.randrange(_BITS)
            at = file.meta.instructions - 1 - chance.randrange(row.weight)
            region, byte = row.region, row.byte
        out.append(PlacedFault(targets[region], at, _BITS * byte + bit))
    return out


def fly_faults(
    scenario: Scenario, file: CampaignFile, count: int, report: Callable[[int, int], None]
) -> FlownFaults:
    """Fly `count` faults alone, and as many pairs, on three process boards; `report` gets how many
    runs have ended, of how many. Raises: SetupError if one was not injected; what a run raises."""
    rig = RigConfig.model_validate(
        {"scheme": SchemeName.TMR.value, "board": BoardKind.PROCESS.value}
    )
    voted = scenario.model_copy(update={"rig": rig})
    faults = draw_wrong(file, 3 * count, scenario.seed)
    flights = list(_flights(faults, [node.name for node in rig.nodes], file.meta.frame))
    ends: dict[int, list[tuple[bool, bool]]] = {1: [], 2: []}
    effective = 0
    with tempfile.TemporaryDirectory(prefix="hil-flown-") as folder:
        for number, plans in enumerate(flights):
            end = fly(voted, file.meta.frame, plans, Path(folder) / str(number))
            missing = [u for u in end.upsets if not u.injected]
            if missing or len(end.upsets) < len(plans):
                why = missing[0].report.detail if missing else "it did not fall due"
                raise SetupError(f"a fault of {file.path} was not injected: {why}")
            effective += sum(u.assessment.effect is NodeEffect.SDC for u in end.upsets)
            ends[len(plans)].append((end.escaped > 0, end.lost > 0))
            report(number + 1, len(flights))
    alone, pairs = ends[1], ends[2]
    return FlownFaults(
        len(alone),
        sum(wrong for wrong, _ in alone),
        sum(lost for _, lost in alone),
        len(pairs),
        sum(wrong for wrong, _ in pairs),
        sum(lost and not wrong for wrong, lost in pairs),
        effective,
    )


def _flights(
    faults: list[PlacedFault], nodes: list[str], frame: int
) -> Iterator[tuple[UpsetPlan, ...]]:
    """Yield a third of the faults alone, on the nodes in turn, and the others in pairs."""
    count = len(faults) // 3
    for i, fault in enumerate(faults[:count]):
        yield (_plan(fault, nodes[i % len(nodes)], frame),)
    for i in range(count):
        first, second = faults[count + 2 * i : count + 2 * i + 2]
        one, other = nodes[i % len(nodes)], nodes[(i + 1) % len(nodes)]
        yield _plan(first, one, frame), _plan(second, other, frame)


def _plan(fault: PlacedFault, node: str, frame: int) -> UpsetPlan:
    return UpsetPlan(
        frame, node, fault.target, PatternKind.BIT, "campaign",
        steps=fault.position, width=1, bit=fault.bit, exact=True,
    )  # fmt: skip
