"""Upsets of the link: every bit of a frame's request and of its answer, as they are on the line,
and every byte at which either is cut off.

The real decoder takes the bytes, between other frames, and what it makes of them is compared with
what was sent: the same message (a delimiter more, or less, changes nothing), none, or another one.
A message that is missing is sent again, or its board counts as silent: the node answers late, or
not at all, which `hil.campaign.stubborn_nodes` has. Another message would be a wrong answer that
nobody detects."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hil._kernel import ffi
from hil.kernel import Decoder, digest64, encode, pack
from hil.record.scheme_proof import HostFate, HostRow
from hil.wire.encoding import step_request
from hil.wire.messages import ANSWER, DATA_MAX, Msg

__all__ = ["link_upsets"]

_INPUT: Final = bytes(range(40))
_NEIGHBOUR: Final = encode(Msg.HELLO, 7)
"""A frame before and after the one that is hit: damage must not turn both into another one."""


def link_upsets(frame: int, output: bytes) -> list[HostRow]:
    """Hit the request and the answer of a step; `output` is in its answer. Return what became of
    each bit, and of each cut."""
    request = encode(Msg.STEP, frame & 0xFFFF, step_request(frame, _INPUT))
    answer = encode(Msg.STEP | ANSWER, frame & 0xFFFF, _reply(frame, output[:DATA_MAX]))
    rows = []
    for name, data in (("request", request), ("answer", answer)):
        flips = (_flipped(data, bit) for bit in range(8 * len(data)))
        cuts = (data[:at] for at in range(len(data)))
        for what, damaged in ((f"{name}: a bit", flips), (f"{name}: cut off", cuts)):
            fates = Counter(_fate(data, one) for one in damaged)
            rows.append(HostRow("link", what, fates))
    return rows


def _reply(frame: int, output: bytes) -> bytes:
    fields = {
        "frame": frame,
        "ticks": 10,
        "output_digest": digest64(output),
        "state_digest": 0x5D,
        "len": len(output),
        "output": output,
    }
    return pack("reply", ffi.new("hil_reply_t *", fields))


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _fate(sent: bytes, damaged: bytes) -> HostFate:
    """Return what becomes of a damaged message: `REPEATED` if it does not arrive."""
    (right,), _ = Decoder().push(sent)
    frames, _ = Decoder().push(_NEIGHBOUR + damaged + _NEIGHBOUR)
    others = [f for f in frames if f.type != Msg.HELLO]
    if not others:
        return HostFate.REPEATED
    return HostFate.HARMLESS if others == [right] else HostFate.WRONG
