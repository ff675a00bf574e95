"""The faults that a sample is drawn from: every bit of a target before every instruction (on
in-process boards: at every progress tick) of some frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.campaign.trace import counters_of_path
from hil.errors import UsageError
from hil.record.campaign_rows import MomentUnit
from hil.scenario import UpsetTarget

__all__ = [
    "BITS",
    "Counts",
    "FaultSpace",
    "FrameSpace",
    "TargetSpace",
    "frames_text",
    "parse_frames",
]

Counts: TypeAlias = npt.NDArray[np.int64]

BITS: Final = 8
_FRAME_MAX: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class TargetSpace:
    """One target: `length` bytes, of which `first_live` says, for each frame and moment, how many
    at its beginning are not part of it; None if all of them always are."""

    target: UpsetTarget
    length: int
    first_live: tuple[Counts, ...] | None = None


@dataclass(frozen=True, slots=True)
class FrameSpace:
    """One frame: `moments` [instruction or tick] at which a fault can strike. `path`: the digest of
    the program counters before each instruction and at the end; empty on in-process boards."""

    frame: int
    moments: int
    path: npt.NDArray[np.uint64]

    @property
    def counters(self) -> npt.NDArray[np.uint64]:
        """Return the program counter before each instruction; none on in-process boards."""
        return counters_of_path(self.path) if len(self.path) else self.path


@dataclass(frozen=True, slots=True)
class FaultSpace:
    """All faults of `targets` in `frames`."""

    moment: MomentUnit
    frames: tuple[FrameSpace, ...]
    targets: tuple[TargetSpace, ...]

    def size(self, target: int) -> int:
        """Return the number of faults of a target, by its number."""
        return int(self.frame_sizes(target).sum())

    def frame_sizes(self, target: int) -> Counts:
        """Return the number of faults of a target in each frame."""
        space = self.targets[target]
        if space.first_live is None:
            moments = np.array([frame.moments for frame in self.frames], dtype=np.int64)
            return moments * (BITS * space.length)
        return np.array(
            [BITS * int((space.length - first).sum()) for first in space.first_live], dtype=np.int64
        )

    @property
    def path_digest(self) -> str:
        """Return a digest of the paths of all frames; empty on in-process boards."""
        ends = [frame.path[-1:].tobytes() for frame in self.frames]
        return hashlib.blake2b(b"".join(ends), digest_size=8).hexdigest() if any(ends) else ""

    @property
    def digest(self) -> str:
        """Return a digest that two spaces share only if they have the same faults."""
        whole = hashlib.blake2b(digest_size=16)
        whole.update(self.moment.value.encode())
        for frame in self.frames:
            whole.update(np.array([frame.frame, frame.moments], dtype=np.int64).tobytes())
            whole.update(frame.path[-1:].tobytes())
        for number, space in enumerate(self.targets):
            whole.update(f"{space.target.value} {space.length} {self.size(number)}".encode())
        return whole.hexdigest()


def parse_frames(text: str, count: int, of: str = "--frames") -> tuple[int, ...]:
    """Return the frames that a text names, of a scenario with `count` frames: `3`, `0:100` for
    frames 0 to 99, `0:1000:10` for every tenth of them, or several of these divided by commas.
    `of`: where the text stands. Raises: UsageError."""
    frames: set[int] = set()
    for part in text.split(","):
        some = _range(text, part, of)
        if not some or some[-1] >= count:
            raise UsageError(
                f"{of} {text}: the scenario has frames 0 to {count - 1}",
                remedy="the end of a range is not included",
            )
        frames.update(some)
    return tuple(sorted(frames))


def _range(text: str, part: str, of: str) -> range:
    """Return the frames of one part of a text."""
    numbers = [int(n) for n in part.split(":") if n.strip().isascii() and n.strip().isdigit()]
    if len(numbers) == part.count(":") + 1 and max(numbers) < _FRAME_MAX:
        match numbers:
            case [frame]:
                return range(frame, frame + 1)
            case [first, end]:
                return range(first, end)
            case [first, end, step] if step > 0:
                return range(first, end, step)
    raise UsageError(
        f"{of} {text!r} does not name frames",
        remedy="3, or 0:100 for frames 0 to 99, or 0:1000:10 for every tenth",
    )


def frames_text(frames: Sequence[int]) -> str:
    """Return frames as `parse_frames` reads them."""
    if len(frames) == 1:
        return str(frames[0])
    step, end = frames[1] - frames[0], frames[-1] + 1
    if tuple(frames) == tuple(range(frames[0], end, step)):
        return f"{frames[0]}:{end}" if step == 1 else f"{frames[0]}:{end}:{step}"
    return ",".join(map(str, frames))
