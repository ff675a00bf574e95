"""Nodes that go on to answer wrongly: every order of answers of one node in some consecutive
frames, whatever is repaired, with repairs that all succeed and with repairs that all fail.

The model of an upset assumes that its repair succeeds, and takes damage that may show again as not
shown. What is enumerated here needs neither: it is the worst that one node can do in these frames,
while all others answer right."""

from __future__ import annotations

import itertools
from typing import Final

from hil.campaign.scheme_answers import NodeFault, WrongAnswer
from hil.campaign.scheme_model import SchemeModel
from hil.record.scheme_proof import StubbornCheck
from hil.rig.node import CRASHED, SILENT
from hil.scenario import UpsetTarget

__all__ = ["STUBBORN_FRAMES", "stubborn_nodes"]

STUBBORN_FRAMES: Final = 3
_ANSWERS: Final = (
    WrongAnswer(),
    WrongAnswer(output_right=False, state_right=False),
    WrongAnswer(state_right=False),
    WrongAnswer(CRASHED, 11),
    WrongAnswer(SILENT),
)


def stubborn_nodes(model: SchemeModel) -> StubbornCheck:
    """Carry out every order of answers of each node that is in service; return how many there are,
    in how many a wrong output left the system, and in how many a frame had none. With time
    redundancy, the answers are those of consecutive executions."""
    orders = escaped = lost = 0
    for node in model.names[: model.wanted]:
        for answers in itertools.product(_ANSWERS, repeat=STUBBORN_FRAMES):
            fault = NodeFault(UpsetTarget.CPU, answers, stays=True)
            for repairs_fail in (False, True):
                result = model.carry_out(node, fault, repairs_fail=repairs_fail)
                orders += 1
                escaped += result.escaped > 0
                lost += result.lost > 0
    return StubbornCheck(STUBBORN_FRAMES, orders, escaped, lost)
