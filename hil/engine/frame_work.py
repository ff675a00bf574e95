"""The work of one frame: what its stages hand on to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.redundancy.recovery import Action
from hil.redundancy.voting import Verdict
from hil.rig.node import NodeResult
from hil.upsets.upset import Upset, UpsetPlan

__all__ = ["FrameWork"]


@dataclass(slots=True)
class FrameWork:
    """The data of one frame, to which each stage adds (see `hil.engine.loop`).

    `upsets` and `results` come from the exchange: `results` of the last execution, by node;
    `executions`: of all, in the order of the nodes. The verdict stage adds whether the frame is
    `quiet`, so that it is only counted and recorded, the final `verdict`, the `output` that left
    the system (empty for none) and the `actions` that recovery ordered; repairs add who was
    `healed`. `late_by_fault`: the nodes whose answer was set aside, by a timing fault of the
    scenario.

    With time redundancy (`hil.engine.repeat_stage`): `later` are the upsets of further executions;
    `repeated`: the step was executed several times, and its upsets are classified; `confirmed`: the
    executions confirm the node's output; `disagreed`: one of them differs from another.

    With replicas of the voter (`hil.engine.voter_replicas`): `replicas` are their verdicts, where
    their views differ; `copies_differed`: some copy of a reply was not what was sent."""

    number: int
    upsets: list[Upset] = field(default_factory=list)
    results: dict[str, NodeResult] = field(default_factory=dict)
    executions: list[list[NodeResult]] = field(default_factory=list)
    late_by_fault: frozenset[str] = frozenset()
    rolled_back: bool = False
    quiet: bool = False
    decided: Verdict | None = None
    output: bytes = b""
    actions: list[Action] = field(default_factory=list)
    healed: set[str] = field(default_factory=set)
    later: list[UpsetPlan] = field(default_factory=list)
    repeated: bool = False
    confirmed: bool = True
    disagreed: bool = False
    replicas: Mapping[int, Verdict] = field(default_factory=dict)
    copies_differed: bool = False

    @property
    def verdict(self) -> Verdict:
        """Return the final verdict; the verdict stage has run."""
        assert self.decided is not None, "the frame was voted on"
        return self.decided
