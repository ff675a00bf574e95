"""What a run reports to its caller: its progress, and its result at the end.

`decide` is the one rule that decides the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.exit_codes import EXIT_OF_OUTCOME, Exit
from hil.rig.calibration import Calibration
from hil.scenario import ExpectationResult


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The progress of a run. `phase` is opening (followed by what takes long), calibrating,
    running, paused or closing."""

    phase: str
    frame: int
    frames: int
    upsets: int
    recoveries: int
    wrong: int
    states: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LostBoard:
    """A board that was lost and not back at the end of the run. `frame` is the first one without
    it; `reason` is that of its link."""

    node: str
    frame: int
    reason: str


def decide(
    *,
    aborted_by: str,
    lost: Sequence[LostBoard],
    frames: int,
    expectations: Sequence[ExpectationResult],
    expects_nothing: bool,
) -> str:
    """Return the outcome of a run. Record, reports, JSON and exit code follow from this word."""
    if aborted_by:
        return "aborted"
    if lost:
        return "error"
    if frames == 0 or not all(e.ok for e in expectations):
        return "fail"
    return "untested" if expects_nothing else "pass"


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run.

    `outcome` is that of `decide`; `aborted_by` says who ended the run early. A failure of the rig
    itself is an exception instead. `not_reproducible` says why another run with this seed may have
    another digest; empty if it cannot. `commands` counts the operator's commands that were carried
    out.
    `campaign_mode`: how upsets were spaced for it, if they were (`Scenario.campaign_mode`).
    `planned_frames`: length of the run, skipped frames included. `not_covered`: what went wrong and
    no expectation looks at; `left_out`: upsets that an option took away. `wall_us`: real time [us]
    that the frames took.
    """

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
    held_frames: int
    held_back: int
    calibration: Calibration
    accel: float
    name: str
    campaign_mode: str
    planned_frames: int
    wall_us: int
    lost: tuple[LostBoard, ...] = ()
    not_covered: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    commands: int = 0
    aborted_by: str = ""

    @property
    def exit_code(self) -> Exit:
        return EXIT_OF_OUTCOME[self.outcome]

    @property
    def error(self) -> str:
        """Return why the outcome is `error`; empty if it is another."""
        if self.outcome != "error":
            return ""
        what = [f"{b.node} (from frame {b.frame} on: {b.reason})" for b in self.lost]
        some = "the board of node" if len(what) == 1 else "the boards of nodes"
        verb = "was lost and is" if len(what) == 1 else "were lost and are"
        return f"{some} {', '.join(what)} {verb} not back at the end of the run"

    @property
    def reproducible(self) -> bool:
        """Return whether equal seeds give equal digests."""
        return not self.not_reproducible

    @property
    def remedy(self) -> str:
        """Return what to try against `error`; empty if there is none."""
        if not self.error:
            return ""
        return "look at power, cable and adapter of these boards; `hil discover` finds who answers"

    @property
    def wall_s(self) -> float:
        return self.wall_us / 1e6

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data for JSON, without real time: equal runs have equal
        results."""
        return {
            "outcome": self.outcome,
            "exit_code": int(self.exit_code),
            "name": self.name,
            "campaign_mode": self.campaign_mode,
            "run_dir": str(self.run_dir),
            "run_digest": self.run_digest,
            "reproducible": self.reproducible,
            "not_reproducible": self.not_reproducible,
            "skipped": self.skipped,
            "plant": self.plant,
            "seed": self.seed,
            "frames": self.frames,
            "planned_frames": self.planned_frames,
            "verdicts": self.verdicts,
            "upsets": self.upsets,
            "recoveries": self.recoveries,
            "availability": self.availability,
            "slips": self.slips,
            "unexplained": self.unexplained,
            "held_frames": self.held_frames,
            "held_back": self.held_back,
            "accel": self.accel,
            "commands": self.commands,
            "aborted_by": self.aborted_by,
            "lost_boards": [
                {"node": b.node, "frame": b.frame, "reason": b.reason} for b in self.lost
            ],
            "expectations": [
                {
                    "metric": e.metric,
                    "wanted": e.wanted,
                    "measured": e.measured,
                    "ok": e.ok,
                    "default": e.default,
                }
                for e in self.expectations
            ],
            "not_covered": list(self.not_covered),
            "left_out": list(self.left_out),
            "metrics": self.metrics,
            **(
                {
                    "error": self.error,
                    "error_kind": "BoardLost",
                    "message": self.error,
                    "remedy": self.remedy,
                }
                if self.error
                else {}
            ),
        }
