"""The work of a run: the answers that left the system, right and wrong ones, and what they took.

An answer is what the workload computes in one frame, such as a token of a language model. Rates are
those of simulated time. Where a run was accelerated, wrong and missing answers came more often than
in flight and are divided by the factor: wrong ones by that on hits of the voted data, missing ones
by the smaller one on all rates, as most follow from boards that hang or start again. Two upsets
that meet in one frame come more often by the square of the factor. All this makes the numbers too
large rather than too small, with one exception: damage that nothing repairs lasts to the end of a
run, and in flight until somebody loads the state again, which is longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.board_types.spread import Spread, poisson_interval

__all__ = ["RunCounts", "Work", "work_of"]

_NO_ANSWER: Final = "the run has no frame with a correct output"


@dataclass(frozen=True, slots=True)
class RunCounts:
    """The counts of a run that its work follows from.

    `frames` includes skipped ones; `correct` and `wrong` left the system in them; `escaped` upsets
    led to the wrong ones. `ends_wrong`: the last output was wrong, so that the damage had not been
    repaired when the run ended. `accel` is how
    many times more upsets there were than in flight, `voted_accel` how many times more of those
    that hit the voted data. `node_w` has the mean power of each node [W]. `rescued`: frames without
    a correct output that the ground computed, over `contact_s` seconds with stations. `predicted`
    says from what the rates were computed, where no run has counted anything."""

    name: str
    scheme: str
    workload: str
    frames: int
    correct: int
    wrong: int
    escaped: int
    ends_wrong: bool
    frame_us: int
    accel: float
    voted_accel: float
    node_w: Sequence[float]
    rescued: int = 0
    contact_s: float = 0.0
    predicted: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """The answers of a rig in flight: correct and wrong ones a second (with the 95 % interval of
    the counted wrong ones), the share of frames that had a correct one, and the power [W].
    `rescued_per_s`: answers of the ground in place of missing ones; `contact_share`: of the time
    in contact with stations. A prediction has the two factors of its wrong answers:
    `bit_upsets_per_s` of one bit in the orbit, and `silent_bits`, those open to silent corruption,
    whose range is that of a sample, and none if every fault was tried."""

    counts: RunCounts
    correct_per_s: float
    wrong_per_s: Spread
    availability: float
    nodes: int
    power_w: float
    rescued_per_s: float = 0.0
    contact_share: float = 0.0
    bit_upsets_per_s: Spread | None = None
    silent_bits: Spread | None = None

    @property
    def wrong_per_correct(self) -> Spread:
        """Return the wrong answers for each correct one."""
        return self.wrong_per_s.times(1.0 / self.correct_per_s)


def work_of(counts: RunCounts) -> Work:
    """Return the work of a run. Raises: ValueError, with the reason, if it has none."""
    if counts.correct <= 0:
        raise ValueError(_NO_ANSWER)
    flown_s = counts.frames * counts.frame_us / 1e6
    missing = (counts.frames - counts.correct - counts.wrong) / counts.frames / counts.accel
    availability = 1.0 - missing - counts.wrong / counts.frames / counts.voted_accel
    # Answers that are wrong after one upset come together: it is upsets that are independent.
    after_each = counts.wrong / max(1, counts.escaped) if counts.wrong else 1.0
    events = poisson_interval(max(1, counts.escaped) if counts.wrong else 0)
    wrong = events.times(after_each / flown_s / counts.voted_accel)
    return Work(
        counts,
        availability * 1e6 / counts.frame_us,
        wrong,
        availability,
        len(counts.node_w),
        sum(counts.node_w),
        counts.rescued / flown_s / counts.accel,
        min(1.0, counts.contact_s / flown_s),
    )
