"""Requests of experiments that a board draws by itself, and their answers (csrc/wire/draws.h).

Thread-safe, as `hil.wire.decoding`; a `DrawSeries` belongs to one thread."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from hil._kernel import ffi, lib
from hil.kernel import check, crc32c, pack
from hil.wire.campaign import Space
from hil.wire.outcomes import Outcomes, read_coded

__all__ = ["DRAWN_MAX", "DRAWS_MAX", "DRAW_PARTS_MAX", "DrawPart", "DrawSeries", "DrawTarget"]

DRAWN_MAX: Final[int] = lib.CAMPAIGN_DRAWN_MAX
"""The most experiments in one request."""
DRAWS_MAX: Final[int] = lib.DRAWS_MAX
"""The most targets of one request that experiments are drawn from."""
DRAW_PARTS_MAX: Final[int] = lib.DRAW_PARTS_MAX
"""The most parts that the faults of a target are divided into."""

_TARGET: Final = struct.Struct("<QQQQIBII")
_PART: Final = struct.Struct("<IH")
_CHECK: Final = struct.Struct("<I")


class DrawTarget(NamedTuple):
    """A target that experiments are drawn from: one from each of the `parts` equal parts of its
    `faults` in all frames; of these, `before` are of earlier frames. `key`: of the stream of random
    numbers; the target has `length` bytes of `space`, from `first` on."""

    key: tuple[int, int]
    faults: int
    before: int
    parts: int
    space: Space
    first: int
    length: int


class DrawPart(NamedTuple):
    """The experiments of one target in a request: `left` of them, from that of `part` on."""

    part: int
    left: int


class DrawSeries:
    """Requests of experiments from the same `targets`, one after the other: the first names them,
    the others continue it, in a few bytes. Each says all that it asks for, so that it may be sent
    again."""

    def __init__(self, targets: Sequence[DrawTarget]) -> None:
        self._targets = [_TARGET.pack(*target.key, *target[1:]) for target in targets]
        self._check = _CHECK.pack(crc32c(b"".join(self._targets)))
        self._named = False

    def request(self, parts: Sequence[DrawPart]) -> bytes:
        """Encode the next request: a part for each target. Raises: ValueError if it is too much for
        one request."""
        if len(self._targets) > DRAWS_MAX or sum(part.left for part in parts) > DRAWN_MAX:
            raise ValueError("too many experiments for one request")
        if not self._named:
            self._named = True
            return pack("campaign_draws", self._message(parts))
        packed = self._check + b"".join(_PART.pack(*part) for part in parts)
        return pack("campaign_draws", _message(packed, continued=True))

    def _message(self, parts: Sequence[DrawPart]) -> ffi.CData:
        pairs = zip(self._targets, parts, strict=True)
        return _message(b"".join(target + _PART.pack(*part) for target, part in pairs))

    def outcomes(self, parts: Sequence[DrawPart], answer: bytes) -> Outcomes:
        """Decode the answer to a request of these parts: the outcomes of all its experiments, or of
        as many as fitted, with the number of wrong bits of each wrong output. Raises: KernelError
        if it is not one."""
        run, targets = ffi.new("hil_campaign_run_t *"), ffi.new("hil_draw_targets_t *")
        check(lib.sites_begin_drawn(run, targets, self._message(parts)), "sites_begin_drawn")
        return read_coded(run, answer)


def _message(packed: bytes, *, continued: bool = False) -> ffi.CData:
    m = ffi.new("hil_campaign_draws_t *")
    m.continued, m.len = int(continued), len(packed)
    ffi.memmove(m.bytes, packed, len(packed))
    return m
