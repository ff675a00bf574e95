"""What a run tells its caller: progress on the way, and the result at the end. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.rig.rig import Calibration
from hil.scenario import ExpectationResult


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress display needs; `phase` is opening (with what takes long behind it),
    calibrating, running, paused or closing."""

    phase: str
    frame: int
    frames: int
    upsets: int
    recoveries: int
    wrong: int
    states: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run. `outcome` is pass, fail or aborted (error is an exception), `aborted_by` why.

    `not_reproducible` says why another run with this seed may go otherwise; empty if it may not.
    `commands`: how many of an operator's commands were carried out."""

    outcome: str
    run_dir: Path
    run_digest: str
    not_reproducible: str
    skipped: int
    plant: dict[str, float] | None
    seed: int
    frames: int
    verdicts: dict[str, int]
    upsets: dict[str, Any]
    recoveries: int
    availability: float
    slips: int
    expectations: tuple[ExpectationResult, ...]
    metrics: dict[str, float]
    unexplained: int
    held_back: int
    calibration: Calibration
    accel: float
    commands: int = 0
    aborted_by: str = ""

    @property
    def reproducible(self) -> bool:
        """Equal seeds give equal digests."""
        return not self.not_reproducible

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "run_dir": str(self.run_dir),
            "run_digest": self.run_digest,
            "reproducible": self.reproducible,
            "not_reproducible": self.not_reproducible,
            "skipped": self.skipped,
            "plant": self.plant,
            "seed": self.seed,
            "frames": self.frames,
            "verdicts": self.verdicts,
            "upsets": self.upsets,
            "recoveries": self.recoveries,
            "availability": self.availability,
            "slips": self.slips,
            "unexplained": self.unexplained,
            "held_back": self.held_back,
            "accel": self.accel,
            "commands": self.commands,
            "aborted_by": self.aborted_by,
            "expectations": [
                {"metric": e.metric, "wanted": e.wanted, "measured": e.measured, "ok": e.ok}
                for e in self.expectations
            ],
        }
