"""The hits that the checksums of a workload (`NAME+abft`) find, and their false alarms.

Each experiment flips one bit of one part of the workload's memory at a random moment of a step,
with checksums and, where there is the same part, without; then the steps go on to the end of the
passage (`lm`), or for four more. It counts where an output differs from the fault-free one, and
where the workload has counted a repair, in the last word of its scratch memory, on which nobody
votes. What is neither wrong nor found was not read any more, or had no effect.

Drawn from a seed, computed in this process by the kernel; the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from hil.campaign.tick_step import TickStep
from hil.errors import UsageError
from hil.json_values import JsonObject
from hil.kernel import Random
from hil.random_streams import stream
from hil.scenario.output_meaning import passage_frames

__all__ = ["ChecksumHits", "CleanSteps", "checksum_hits", "clean_steps", "with_checksums"]

_SUFFIX: Final = "+abft"
_FRAMES: Final = 16
"""Frames of a workload without passages, in one of which a hit strikes."""
_COUNT_LEN: Final = 4  # [byte] of the number of repairs, at the end of scratch


class _Part(NamedTuple):
    """A part of the memory: bytes `first` to `end` of the state or of scratch. `from_tick`: when
    what is there is first in use, at byte `first`; one tick later for each `row` bytes (0: all at
    once). `is_shared`: the workload without checksums has it as well."""

    name: str
    first: int
    end: int
    in_scratch: bool = False
    from_tick: int = 0
    row: int = 0
    is_shared: bool = True


class _Layout(NamedTuple):
    """The parts of a workload, and the frames to compute after that of a hit (None: to the end of
    the passage)."""

    parts: tuple[_Part, ...]
    following: int | None


_MATRIX: Final = 4 * 48 * 48  # [byte] of each matrix of `matmul`
_ROW: Final = 4 * 48
# Offsets: csrc/kernel/workloads/matmul_abft.c, lm_step.h and lm_abft.c.
_LAYOUTS: Final = {
    "matmul": _Layout(
        (
            _Part("matrix A, kept", 0, _MATRIX),
            _Part("matrix B", 0, _MATRIX, in_scratch=True, from_tick=1),
            _Part("product A B", _MATRIX, 2 * _MATRIX, in_scratch=True, from_tick=2, row=_ROW),
            _Part("sums of A", _MATRIX, _MATRIX + 2 * _ROW, is_shared=False),
            _Part(
                "sums of B and of products",
                2 * _MATRIX,
                2 * _MATRIX + 2 * _ROW,
                in_scratch=True,
                from_tick=1,
                is_shared=False,
            ),
        ),
        4,
    ),
    "lm": _Layout(
        (
            _Part("weights, scales, biases", 16, 103_064),
            _Part("memory of the text", 103_064, 119_448),
            _Part("place, last character", 0, 16),
            _Part("vectors between products", 0, 908, in_scratch=True, from_tick=1),
            _Part("sums of matrices", 119_448, 126_694, is_shared=False),
        ),
        None,
    ),
}


@dataclass(frozen=True, slots=True)
class ChecksumHits:
    """The experiments on one part: of `hits`, `wrong` made an output wrong although there are
    checksums, `bare_wrong` without them (None: there is no such part), and `found` were found."""

    part: str
    hits: int
    bare_wrong: int | None
    wrong: int
    found: int

    def as_json(self) -> JsonObject:
        """Return the row for --json."""
        return {
            "part": self.part,
            "hits": self.hits,
            "wrong_without_checksums": self.bare_wrong,
            "wrong": self.wrong,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class CleanSteps:
    """`steps` without upsets: in `alarms` of them something was repaired, in `wrong` the output was
    another one than without checksums."""

    steps: int
    alarms: int
    wrong: int

    def as_json(self) -> JsonObject:
        """Return the count for --json."""
        return {"steps": self.steps, "alarms": self.alarms, "wrong": self.wrong}


def with_checksums(workload: str) -> str:
    """Return the variant of a workload that has checksums. Raises: UsageError if there is none."""
    bare = workload.removesuffix(_SUFFIX)
    if bare not in _LAYOUTS:
        known = " or ".join(name + _SUFFIX for name in _LAYOUTS)
        raise UsageError(
            f"the workload `{workload}` has no checksums", remedy=f"--workload {known}"
        )
    return bare + _SUFFIX


def clean_steps(workload: str, seed: int, steps: int) -> CleanSteps:
    """Compute `steps` frames with and without checksums. Raises: UsageError as `with_checksums`."""
    name = with_checksums(workload)
    checked, bare = TickStep(name, seed), TickStep(name.removesuffix(_SUFFIX), seed)
    alarms = wrong = 0
    for frame in range(steps):
        wrong += checked.step(frame) != bare.step(frame)
        alarms += _repaired(checked)
    return CleanSteps(steps, alarms, wrong)


def checksum_hits(workload: str, seed: int, hits: int) -> list[ChecksumHits]:
    """Carry out `hits` experiments on each part. Raises: UsageError as `with_checksums`."""
    name = with_checksums(workload)
    layout = _LAYOUTS[name.removesuffix(_SUFFIX)]
    checked, bare = _Passage(name, seed), _Passage(name.removesuffix(_SUFFIX), seed)
    random = stream(seed, "checksum-hits")
    rows = []
    for part in layout.parts:
        wrong = found = bare_wrong = 0
        for _ in range(hits):
            hit = checked.draw(part, random)
            is_wrong, is_found = checked.outcome(hit, layout.following)
            wrong, found = wrong + is_wrong, found + is_found
            if part.is_shared:
                bare_wrong += bare.outcome(hit, layout.following)[0]
        known = bare_wrong if part.is_shared else None
        rows.append(ChecksumHits(part.name, hits, known, wrong, found))
    return rows


class _Hit(NamedTuple):
    """A bit of the state or of scratch, flipped at a tick of a frame."""

    frame: int
    tick: int
    bit: int
    in_scratch: bool


class _Passage:
    """The fault-free frames of a passage, and what becomes of them after a hit."""

    def __init__(self, name: str, seed: int) -> None:
        self._step = TickStep(name, seed)
        self._counts = name.endswith(_SUFFIX)
        self._states: list[bytes] = [self._step.state]
        self._outputs: list[bytes] = []
        for frame in range(passage_frames(name) or _FRAMES):
            self._outputs.append(self._step.step(frame))
            self._states.append(self._step.state)

    def draw(self, part: _Part, random: Random) -> _Hit:
        """Draw a hit of a part, at a moment at which it is in use."""
        frame = random.below(len(self._outputs))
        byte = part.first + random.below(part.end - part.first)
        later = (byte - part.first) // part.row if part.row else 0
        first = part.from_tick + later
        tick = first + random.below(self._step.workload.ticks - first)
        return _Hit(frame, tick, 8 * byte + random.below(8), part.in_scratch)

    def outcome(self, hit: _Hit, following: int | None) -> tuple[bool, bool]:
        """Carry out a hit: whether an output is wrong, and whether something was repaired."""
        last = len(self._outputs) - 1 if following is None else hit.frame + following
        self._step.state = self._states[hit.frame]
        output = self._step.struck_step(hit.frame, hit.tick, hit.bit, scratch=hit.in_scratch)
        wrong = found = False
        for frame in range(hit.frame, min(last, len(self._outputs) - 1) + 1):
            if frame > hit.frame:
                output = self._step.step(frame)
            wrong = wrong or output != self._outputs[frame]
            found = found or (self._counts and _repaired(self._step))
            if self._step.state == self._states[frame + 1]:
                break
        return wrong, found


def _repaired(step: TickStep) -> bool:
    at = step.workload.scratch_len - _COUNT_LEN
    return step.scratch(at, _COUNT_LEN) != bytes(_COUNT_LEN)
