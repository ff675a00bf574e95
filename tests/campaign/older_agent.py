"""A board whose agent is of an older release: it does not know one of today's requests."""

from __future__ import annotations

from typing import Final

from hil.kernel import Decoder, encode
from hil.rig.transport import Transport
from hil.wire.messages import Msg

UNKNOWN_TYPE: Final = 0x60  # never given a meaning (csrc/SPEC.md)


class OlderAgent:
    """A line to an agent that does not know `type_`: to the agent of today it is a request of an
    unknown type, which it treats as agents before it treated this one."""

    def __init__(self, inner: Transport, type_: Msg) -> None:
        self._inner = inner
        self._type = type_
        self._there, self._back = Decoder(), Decoder()
        self.refused = 0

    @property
    def fd(self) -> int | None:
        return self._inner.fd

    def write(self, data: bytes) -> None:
        for frame in self._there.push(data)[0]:
            type_ = UNKNOWN_TYPE if frame.type == self._type else frame.type
            self._inner.write(encode(type_, frame.seq, frame.payload))

    def read(self) -> bytes:
        out = b""
        for frame in self._back.push(self._inner.read())[0]:
            payload = frame.payload
            if frame.type == Msg.ERROR and payload[0] == UNKNOWN_TYPE:
                payload = bytes([self._type]) + payload[1:]
                self.refused += 1
            out += encode(frame.type, frame.seq, payload)
        return out

    def close(self) -> None:
        self._inner.close()
