"""Figures of a redundancy scheme: sums over the runs of a scenario, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.analysis.intervals import Interval, clopper_pearson
from hil.json_values import JsonObject

__all__ = ["NotCounted", "SchemeFigures", "SingleHits", "compromises"]

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class SingleHits:
    """All single hits of one step of every node, counted exactly: how many there are, and of how
    many the wrong output leaves the system in the frame that is hit."""

    hits: int
    escaped: int


@dataclass(frozen=True, slots=True)
class NotCounted:
    """The `reason` for which the single hits of a scheme are not counted."""

    reason: str


@dataclass(frozen=True, slots=True)
class SchemeFigures:
    """The sums over all runs of one scheme. `frames`, of which `right` had a right output, `wrong`
    a wrong one, and the others none; `failures`: how often a right frame was followed by one that
    was not; `lossless`: runs without any; `steps`: computed by all boards, None if
    they are not all known; `link_bytes` to and from
    all boards in `link_frames` frames; `energy_j` of all boards, None where a profile does not
    state it; `woken`: how often a node was woken from stand-by, and in how many frames one of them
    had power and did not vote yet."""

    scheme: str
    boards: int
    runs: int
    frame_s: float
    frames: int
    right: int
    wrong: int
    failures: int
    lossless: int
    upsets: int
    steps: int | None
    link_bytes: int
    link_frames: int
    energy_j: float | None
    single_hits: SingleHits | NotCounted = NotCounted("nobody did")
    woken: int = 0
    waking_frames: int = 0

    @property
    def counted(self) -> SingleHits | None:
        """Return the single hits, where they are counted."""
        return self.single_hits if isinstance(self.single_hits, SingleHits) else None

    @property
    def not_counted(self) -> str | None:
        """Return why they are not."""
        return self.single_hits.reason if isinstance(self.single_hits, NotCounted) else None

    @property
    def availability(self) -> float:
        """Return the share of frames with a right output."""
        return self.right / self.frames

    @property
    def reliability(self) -> float:
        """Return the share of runs in which all frames had a right output."""
        return self.lossless / self.runs

    @property
    def reliability_interval(self) -> Interval:
        """Return the 95 % interval of `reliability`."""
        return clopper_pearson(self.lossless, self.runs, _CONFIDENCE)

    @property
    def mean_time_to_failure_s(self) -> float | None:
        """Return the mean time of right outputs until a failure [s]; None without a failure."""
        return self.right * self.frame_s / self.failures if self.failures else None

    @property
    def mean_time_to_repair_s(self) -> float | None:
        """Return the mean time without right outputs after a failure [s]; None without one. An
        outage that the end of a run cuts short counts until there."""
        out = self.frames - self.right
        return out * self.frame_s / self.failures if self.failures else None

    @property
    def energy_per_right_frame_j(self) -> float | None:
        """Return the energy of all boards for each right output [J]."""
        return None if self.energy_j is None or not self.right else self.energy_j / self.right

    @property
    def boards_per_right_frame(self) -> float | None:
        """Return how many frames of a board each right output takes."""
        return self.boards * self.frames / self.right if self.right else None

    @property
    def steps_per_right_frame(self) -> float | None:
        """Return how many steps of the workload each right output takes."""
        return None if self.steps is None or not self.right else self.steps / self.right

    @property
    def bytes_per_frame(self) -> float:
        """Return the bytes on all links for each frame."""
        return self.link_bytes / self.link_frames if self.link_frames else 0.0

    def as_json(self) -> JsonObject:
        """Return the figures as a JSON object."""
        low, high = self.reliability_interval
        hits = self.counted
        return {
            "scheme": self.scheme,
            "boards": self.boards,
            "runs": self.runs,
            "frames": self.frames,
            "right_frames": self.right,
            "wrong_frames": self.wrong,
            "availability": self.availability,
            "failures": self.failures,
            "runs_without_failure": self.lossless,
            "reliability": self.reliability,
            "reliability_low": low,
            "reliability_high": high,
            "mttf_s": self.mean_time_to_failure_s,
            "mttr_s": self.mean_time_to_repair_s,
            "upsets": self.upsets,
            "boards_per_right_frame": self.boards_per_right_frame,
            "steps_per_right_frame": self.steps_per_right_frame,
            "energy_per_right_frame_j": self.energy_per_right_frame_j,
            "link_bytes_per_frame": self.bytes_per_frame,
            "woken": self.woken,
            "waking_frames": self.waking_frames,
            "single_hits": None if hits is None else hits.hits,
            "single_hits_escaped": None if hits is None else hits.escaped,
            "single_hits_not_counted": self.not_counted,
        }


def compromises(schemes: Sequence[SchemeFigures]) -> list[SchemeFigures]:
    """Return the schemes that no other one beats, from the fewest wrong frames on: each has less
    energy per right frame than those before it. The first one is the cheapest of those with the
    fewest wrong frames, for which a right output is worth any energy."""
    known = [s for s in schemes if s.energy_per_right_frame_j is not None]
    out: list[SchemeFigures] = []
    for s in sorted(known, key=lambda s: (s.wrong / s.frames, s.energy_per_right_frame_j or 0.0)):
        joules = s.energy_per_right_frame_j or 0.0
        if not out or joules < (out[-1].energy_per_right_frame_j or 0.0):
            out.append(s)
    return out
