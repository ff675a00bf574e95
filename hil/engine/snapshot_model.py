"""The snapshot of the engine: the state of all parts of a run between two frames, a frozen value.

Each part defines the value that it takes and restores (`RecoveryMachine.snapshot`, for example);
`EngineSnapshot` composes them. `hil.engine.snapshot_json` is the only module that knows their
form in a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hil.engine.metrics import Metrics
from hil.engine.outside_influence import OutsideSnapshot
from hil.engine.verdict import VerdictSnapshot
from hil.redundancy.checkpoints import HostCopy
from hil.redundancy.orbit_scheme import OrbitSchemeSnapshot
from hil.redundancy.recovery import NodeRecoverySnapshot
from hil.redundancy.voting import Verdict
from hil.rig.node import PowerCut
from hil.wire.messages import Arm, Sync

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantSnapshot

__all__ = ["DormantUpset", "EngineSnapshot"]


@dataclass(frozen=True, slots=True)
class DormantUpset:
    """A settled upset that may still have an effect: its id in the record, and what has no column
    there."""

    id: int
    hold_frames: int = 0
    permanent: bool = False
    boot: int = 0


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """The state of the engine before a frame. Mappings are by the name of a node.

    `VERSION` grows when a field is added, removed or changed such that a snapshot of before means
    something else; a field that has a default in `snapshot_json` needs no new version.

    numbered, ordered: how many upsets fell due, and how many of those an operator ordered
    held, output: the state (empty: the golden one) and the output of the nodes in service
    checkpoints: those that a node holds, the oldest first; their states stand in the record
    copy: the host's copy of an agreed state
    lasting: the damage that lies in a node, as arms for the frame that follows
    upsets: how many fell due, injected or not
    contaminated: the nodes that were healed with the state of a wrong majority
    metrics: a copy that no run advances
    returning: frame and node of the boards that get their power back
    permanent: the damage that a board has again after each start
    unstarted: the nodes that do not start before their power is cut
    agreed: the verdict on the frame before
    plant: None in a run without a plant
    follows: the scheme that follows the orbit, None if it does not"""

    VERSION: ClassVar[int] = 3

    numbered: int
    ordered: int
    held: bytes
    output: bytes
    checkpoints: Mapping[str, tuple[Sync, ...]]
    copy: HostCopy | None
    verdicts: VerdictSnapshot
    outside: OutsideSnapshot
    lasting: Mapping[str, tuple[Arm, ...]]
    upsets: int
    dormant: tuple[DormantUpset, ...]
    contaminated: tuple[str, ...]
    metrics: Metrics
    recovery: Mapping[str, NodeRecoverySnapshot]
    power_cuts: Mapping[str, frozenset[PowerCut]]
    returning: tuple[tuple[int, str], ...]
    permanent: Mapping[str, tuple[Arm, ...]]
    agreed: Verdict | None
    plant: PlantSnapshot | None
    unstarted: tuple[str, ...] = ()
    follows: OrbitSchemeSnapshot | None = None
