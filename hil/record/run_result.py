"""The result of a run as a value: what engine, verification, views and command line give each
other.

A finished run has all of it. `RecordTally` is what a record counts to by itself: the result of a
run that has not ended has one, in place of what only the end decides. `as_json` writes a result,
`result_json` reads it. Loads little of the project, so that a failure can be reported even if the
rest cannot be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.exit_codes import EXIT_OF_OUTCOME, Exit
from hil.run_outcome import RunOutcome

if TYPE_CHECKING:
    from hil.json_values import JsonObject
    from hil.record.recorder_protocol import UpsetCount
    from hil.scenario import ExpectationResult

__all__ = [
    "RUN_KEYS",
    "LostBoard",
    "RecordTally",
    "RunResult",
    "UpsetEvents",
    "UpsetTotals",
    "expectation_json",
]

RUN_KEYS: Final = (
    "outcome",
    "exit_code",
    "name",
    "run_dir",
    "run_digest",
    "reproducible",
    "seed",
    "frames",
    "planned_frames",
    "wall_s",
    "verdicts",
    "upsets",
    "recoveries",
    "availability",
    "slips",
    "unexplained",
    "held_back",
    "accel",
    "expectations",
    "not_covered",
    "left_out",
    "metrics",
    "lost_boards",
    "not_reproducible",
    "skipped",
    "plant",
    "commands",
    "aborted_by",
    "held_frames",
    "campaign_mode",
)
"""Keys that the JSON of `hil run` always has; null where nothing is known."""


@dataclass(frozen=True, slots=True)
class UpsetEvents:
    """The scenario's `upsets.events`: how many were injected, should have been, and were not.
    `planned` and `missed` are None where only the record was asked."""

    injected: int
    planned: int | None = None
    missed: int | None = None

    def as_json(self) -> JsonObject:
        """Return the numbers that are known."""
        if self.planned is None or self.missed is None:
            return {"injected": self.injected}
        return {"planned": self.planned, "injected": self.injected, "missed": self.missed}


@dataclass(frozen=True, slots=True)
class UpsetTotals:
    """The number of injected upsets, in all and by target, node effect, system outcome and
    activation; only those that were read back (`verified`) count as injected. The activation is
    `unknown` where no board could know it."""

    injected: int
    verified: int
    not_injected: int
    events: UpsetEvents
    by_target: Mapping[str, int]
    by_node_effect: Mapping[str, int]
    by_system_outcome: Mapping[str, int]
    by_activation: Mapping[str, int]

    def as_json(self) -> JsonObject:
        """Return the totals as `upsets` of a result."""
        return {
            "injected": self.injected,
            "verified": self.verified,
            "not_injected": self.not_injected,
            "events": self.events.as_json(),
            "by_target": self.by_target,
            "by_node_effect": self.by_node_effect,
            "by_system_outcome": self.by_system_outcome,
            "by_activation": self.by_activation,
        }


@dataclass(frozen=True, slots=True)
class LostBoard:
    """A board that was lost and not back at the end of the run. `frame` is the first one without
    it; `reason` is that of its link."""

    node: str
    frame: int
    reason: str

    def as_json(self) -> JsonObject:
        """Return the board as an entry of `lost_boards`."""
        return {"node": self.node, "frame": self.frame, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class RecordTally:
    """The counts of the frames and rows of a record, whether its run has ended or not.

    `verdicts` has the frames by the name of their verdict, `voting` all frames by how many nodes
    voted, skipped frames included. `available`, `sdc_frames`, `unresolved` and `held_frames` are
    those of `hil.engine.metrics`; `upset_kinds` has the upsets by state, target, effect, outcome
    and activation."""

    frames: int
    skipped: int
    verdicts: Mapping[str, int]
    voting: Mapping[int, int]
    upsets: UpsetTotals
    upset_kinds: tuple[UpsetCount, ...]
    isolated: int
    commands: int
    recoveries: int
    available: int
    slips: int
    unexplained: int
    sdc_frames: int
    held_frames: int

    @property
    def flown(self) -> int:
        """Return the number of frames, skipped ones included."""
        return self.frames + self.skipped

    @property
    def availability(self) -> float:
        """Return the share of all frames that had a correct output."""
        return self.available / self.flown if self.flown else 0.0

    @property
    def unresolved(self) -> int:
        """Return the number of frames without an output of their own."""
        return self.flown - self.available - self.sdc_frames

    def as_json(self) -> JsonObject:
        """Return the counts under the keys of a result, and those that only a run that has not
        ended shows."""
        return {
            "frames": self.frames,
            "skipped": self.skipped,
            "verdicts": self.verdicts,
            "voting": {str(nodes): frames for nodes, frames in self.voting.items()},
            "upsets": self.upsets.as_json(),
            "upset_kinds": [
                [k.state, k.verified, k.target, k.effect, k.outcome, k.activation, k.upsets]
                for k in self.upset_kinds
            ],
            "isolated": self.isolated,
            "commands": self.commands,
            "recoveries": self.recoveries,
            "available": self.available,
            "availability": self.availability,
            "slips": self.slips,
            "unexplained": self.unexplained,
            "sdc_frames": self.sdc_frames,
            "unresolved": self.unresolved,
            "held_frames": self.held_frames,
        }


def expectation_json(result: ExpectationResult) -> JsonObject:
    """Return the result of an expectation as an entry of `expectations`."""
    return {
        "metric": result.metric,
        "wanted": result.wanted,
        "measured": result.measured,
        "ok": result.ok,
        "default": result.default,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of a run.

    `outcome` is that of `hil.engine.result.decide`; `aborted_by` says who ended the run early. A
    failure of the rig itself is an exception instead. `not_reproducible` says why another run with
    this seed may have another digest; empty if it cannot. `commands` counts the operator's commands
    that were carried out.
    `campaign_mode`: how upsets were spaced for it, if they were (`Scenario.campaign_mode`).
    `planned_frames`: length of the run, skipped frames included. `not_covered`: what went wrong and
    no expectation looks at; `left_out`: upsets that an option took away. `wall_us`: real time [us]
    that the frames took.

    `tally` is None once the run has ended. Before, it has what the record counts to so far, and
    `outcome` is what the record says, such as `running`; what only the end decides is then empty,
    or None: `expectations`, `metrics`, `run_digest` and all that has a default here. `name` and
    `seed` are None if the record lacks its scenario. `unrecorded` names keys that the older hil
    which wrote the record did not know; `as_json` leaves them out.
    """

    outcome: str
    run_dir: Path
    name: str | None
    seed: int | None
    campaign_mode: str
    accel: float
    frames: int
    skipped: int
    verdicts: Mapping[str, int]
    upsets: UpsetTotals
    recoveries: int
    availability: float
    slips: int
    unexplained: int
    held_frames: int
    commands: int
    wall_us: int
    expectations: tuple[ExpectationResult, ...] | None
    run_digest: str = ""
    not_reproducible: str = ""
    plant: Mapping[str, float] | None = None
    metrics: Mapping[str, float]
    held_back: int = 0
    planned_frames: int | None = None
    lost: tuple[LostBoard, ...] = ()
    not_covered: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    aborted_by: str = ""
    tally: RecordTally | None = None
    unrecorded: frozenset[str] = frozenset()

    @property
    def exit_code(self) -> Exit:
        """Return the exit code of the outcome. Raises: KeyError if the run has not ended."""
        return EXIT_OF_OUTCOME[self.outcome]

    @property
    def error(self) -> str:
        """Return why the outcome is `error`; empty if it is another."""
        if self.outcome != RunOutcome.ERROR or not self.lost:
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
    def flown(self) -> int:
        """Return the number of frames, skipped ones included."""
        return self.frames + self.skipped

    @property
    def sdc_frames(self) -> int:
        """Return the number of frames with a wrong output."""
        if self.tally is not None:
            return self.tally.sdc_frames
        return int(self.metrics.get("sdc_frames", 0))

    @property
    def failed(self) -> tuple[ExpectationResult, ...]:
        """Return the expectations that were not met."""
        return tuple(e for e in self.expectations or () if not e.ok)

    @property
    def wall_s(self) -> float:
        """Return the real time that the frames took [s]."""
        return self.wall_us / 1e6

    def as_json(self) -> JsonObject:
        """Return the result as plain data for JSON, without real time: equal runs have equal
        results. Of a run that has not ended: what there is, with the real time so far."""
        content = self._ended_json() if self.tally is None else self._open_json(self.tally)
        return {key: value for key, value in content.items() if key not in self.unrecorded}

    def as_answer(self) -> JsonObject:
        """Return the answer of `hil run --json`: all keys of `RUN_KEYS`, and real time."""
        return {**dict.fromkeys(RUN_KEYS), **self.as_json(), "wall_s": self.wall_s}

    def _open_json(self, tally: RecordTally) -> JsonObject:
        return {
            "outcome": self.outcome,
            "run_dir": str(self.run_dir),
            "run_digest": None,
            "seed": self.seed,
            "name": self.name,
            "campaign_mode": self.campaign_mode,
            "wall_s": self.wall_s,
            "expectations": None,
            "accel": self.accel,
            **tally.as_json(),
        }

    def _ended_json(self) -> JsonObject:
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
            "upsets": self.upsets.as_json(),
            "recoveries": self.recoveries,
            "availability": self.availability,
            "slips": self.slips,
            "unexplained": self.unexplained,
            "held_frames": self.held_frames,
            "held_back": self.held_back,
            "accel": self.accel,
            "commands": self.commands,
            "aborted_by": self.aborted_by,
            "lost_boards": [board.as_json() for board in self.lost],
            "expectations": [expectation_json(e) for e in self.expectations or ()],
            "not_covered": list(self.not_covered),
            "left_out": list(self.left_out),
            "metrics": self.metrics,
            **self._error_json(),
        }

    def _error_json(self) -> JsonObject:
        if not self.error:
            return {}
        return {
            "error": self.error,
            "error_kind": "BoardLost",
            "message": self.error,
            "remedy": self.remedy,
        }
