"""Sequences of single faults, many in one run: what the scheme must bear, tried one after another.

A sequence is two or three faults at given distances, each on one node. They are laid into one run
with a pause behind each that is longer than every window of the recovery, so that each begins on a
rig that has healed; `Trial` says which frames of a sequence delivered nothing, or a wrong output,
and whether the rig was whole again at its end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.redundancy.voting import Verdict, VerdictKind
from hil.scenario import Scenario

PAUSE = 48
"""[frame] Longer than the window of the attempts and the re-integration together."""
POWER_RETURNS = 4

KINDS = ("state", "output", "checkpoint", "crash", "hang", "reset", "power", "link")


@dataclass(frozen=True)
class Fault:
    kind: str
    node: int
    at: int  # [frame] after the first fault of the sequence


Sequence_ = tuple[Fault, ...]


@dataclass(frozen=True)
class Trial:
    """What became of one sequence: frames after its first fault that were lost, or wrong; those of
    the wrong ones in which one node was alone, so that its output was marked as not voted on."""

    faults: Sequence_
    lost: tuple[int, ...]
    wrong: tuple[int, ...]
    whole: bool
    unvoted: tuple[int, ...] = ()

    @property
    def without_power(self) -> frozenset[int]:
        """Frames in which a node had no power."""
        cuts = [f.at for f in self.faults if f.kind == "power"]
        return frozenset(k for at in cuts for k in range(at, at + POWER_RETURNS))

    def __str__(self) -> str:
        faults = " ".join(f"{f.kind}@{f.at}/{'abcdefg'[f.node]}" for f in self.faults)
        return f"{faults}: lost {list(self.lost)}, wrong {list(self.wrong)}, whole {self.whole}"


def node_patterns(faults: int, nodes: int) -> Iterator[tuple[int, ...]]:
    """Which nodes are hit, each pattern once whatever the nodes are called: (0, 0), (0, 1)."""

    def extend(so_far: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(so_far) == faults:
            yield so_far
            return
        for node in range(min(max(so_far, default=-1) + 2, nodes)):
            yield from extend((*so_far, node))

    return extend(())


def sequences(
    faults: int, nodes: int, distances: Sequence[int], kinds: Sequence[str] = KINDS
) -> Iterator[Sequence_]:
    """All ordered sequences of so many faults."""
    for names in itertools.product(kinds, repeat=faults):
        for hit in node_patterns(faults, nodes):
            for gaps in itertools.product(distances, repeat=faults - 1):
                at = [0, *itertools.accumulate(gaps)]
                yield tuple(Fault(*f) for f in zip(names, hit, at, strict=True))


def _event(fault: Fault, frame: int, number: int) -> dict[str, Any]:
    """`number`: of the fault in the run; equal bits on two nodes would be a wrong majority."""
    node = "abcdefg"[fault.node]
    event: dict[str, Any] = {"frame": frame + fault.at, "node": node}
    if fault.kind in ("state", "output"):
        tick = 0 if fault.kind == "state" else 6  # before it is read; after it is written
        return {**event, "target": fault.kind, "bit": (37 * number + 5) % 448, "tick": tick}
    if fault.kind == "checkpoint":  # two bits of one word: more than the memory's code corrects
        pattern = {"kind": "adjacent", "width": 2}
        return {**event, "target": "checkpoint", "bit": 100, "tick": 0, "pattern": pattern}
    if fault.kind in ("crash", "hang", "reset"):
        return {**event, "target": "cpu", "sefi": fault.kind, "tick": 2}
    if fault.kind == "power":
        return {
            **event,
            "target": "board",
            "action": "power_loss",
            "returns_after_frames": POWER_RETURNS,
        }
    return {**event, "target": "link", "noise": "drop", "direction": "to_host"}


def try_all(
    trials: Sequence[Sequence_], scheme: str, board: str, out: Path, **rig: Any
) -> list[Trial]:
    """Run the sequences one after another on one rig."""
    starts: list[int] = []
    frame = 20
    events: list[dict[str, Any]] = []
    for index, faults in enumerate(trials):
        starts.append(frame)
        events += [_event(f, frame, 3 * index + i) for i, f in enumerate(faults)]
        frame += faults[-1].at + PAUSE
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": frame,
            "rig": {"scheme": scheme, "board": board, **rig},
            "upsets": {"events": sorted(events, key=lambda e: e["frame"])},
            # No fault here is told by time but a hang, which its own processor time tells: a board
            # that is a process of a busy computer may answer as late as it likes.
            "timeouts": {"lost_after_ms": 20_000, "retry_ms": 20, "cpu_floor_ms": 10},
            "expect": {"frames": frame},
        }
    )
    out.mkdir(parents=True)
    Loop(scenario, out).run()
    verdicts = _verdicts(out)
    size = scenario.rig.size
    ends = [*starts[1:], frame]
    return [
        _trial(faults, verdicts[begin:end], size)
        for faults, begin, end in zip(trials, starts, ends, strict=True)
    ]


def _verdicts(out: Path) -> list[Verdict]:
    reader = Reader(out)
    try:
        return list(reader.verdicts())
    finally:
        reader.close()


def _trial(faults: Sequence_, verdicts: Sequence[Verdict], size: int) -> Trial:
    lost = tuple(i for i, v in enumerate(verdicts) if not v.delivered)
    wrong = tuple(i for i, v in enumerate(verdicts) if v.delivered and not v.correct)
    unvoted = tuple(i for i in wrong if verdicts[i].kind is VerdictKind.SIMPLEX)
    last = verdicts[-1]
    whole = last.correct and last.agree == last.voters == (1 << size) - 1 and not last.latent
    return Trial(faults, lost, wrong, whole, unvoted)
